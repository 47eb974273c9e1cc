/** What every FenceDevice promises, the fake and the real ones; the suite never looks behind it. */
import test, { type ExecutionContext } from 'ava'
import { sentence } from '#shared/fault.ts'
import type { Power } from '#shared/wire/fence.ts'
import type { FenceDevice, Reading } from '../../bootd/core/ports.ts'

/** A device with the machine that it switches, which runs at first. */
export type FenceRig = AsyncDisposable & {
  readonly device: FenceDevice<Reading>
  /** Whether the machine runs, found out without the device. */
  readonly isRunning: () => boolean | Promise<boolean>
  /** The same device with a wrong password, and that password; undefined: it has none. */
  readonly stranger?: { readonly device: FenceDevice<Reading>; readonly password: string }
  /** A device of the same kind that never answers. */
  readonly silent: FenceDevice<Reading>
}

type Switch = Pick<FenceDevice<Reading>, 'power' | 'off' | 'on'>

const patienceMs = 60_000
const patient = (): AbortSignal => AbortSignal.timeout(patienceMs)

/** Reads until the power is as expected. */
async function untilReads(device: Switch, power: Power): Promise<void> {
  const signal = patient()
  while ((await device.power(signal)) !== power) {
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

/** Tells a device; whether it refuses is its own affair. */
const tell = (call: Promise<void>): Promise<void> => call.catch(() => {})

/** A program that stood still for some seconds has given up: it is run again, a few times. */
function steady(device: FenceDevice<Reading>): Switch {
  const again = async <Result>(call: () => Promise<Result>): Promise<Result> => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await call()
      } catch (thrown) {
        if (attempt === 3) throw thrown
      }
    }
  }
  return {
    power: signal => again(() => device.power(signal)),
    off: signal => again(() => device.off(signal)),
    on: signal => again(() => device.on(signal))
  }
}

type FencePromise = readonly [string, (t: ExecutionContext, rig: FenceRig) => Promise<void>]

const promises: readonly FencePromise[] = [
  [
    'off cuts the power, on gives it, and it reads both',
    async (t, { device: own, isRunning }) => {
      const device = steady(own)
      t.is(await device.power(patient()), 'on')
      t.true(await isRunning())
      await device.off(patient())
      await untilReads(device, 'off')
      t.false(await isRunning())
      await device.on(patient())
      await untilReads(device, 'on')
      t.true(await isRunning())
    }
  ],
  [
    'what is off stays off, and what is on stays on',
    async (t, { device: own, isRunning }) => {
      const device = steady(own)
      await tell(own.on(patient()))
      await untilReads(device, 'on')
      await device.off(patient())
      await untilReads(device, 'off')
      await tell(own.off(patient()))
      t.is(await device.power(patient()), 'off')
      t.false(await isRunning())
    }
  ],
  [
    'who has the wrong password gets nowhere, and the password stands in no sentence',
    async (t, { stranger, isRunning }) => {
      if (stranger === undefined) {
        t.pass('it has no password')
        return
      }
      const { device, password } = stranger
      for (const call of [device.power(patient()), device.off(patient())]) {
        const thrown = await t.throwsAsync(call)
        t.notRegex(sentence(thrown), new RegExp(password))
      }
      t.true(await isRunning())
    }
  ],
  [
    'a call to one that never answers ends when it is given up',
    async (t, { silent }) => {
      const stop = new AbortController()
      const calls = [silent.power(stop.signal)]
      await new Promise(resolve => setImmediate(resolve))
      stop.abort(new Error('enough'))
      for (const call of calls) await t.throwsAsync(call)
      await t.throwsAsync(silent.off(stop.signal))
    }
  ]
]

/** Registers the suite's tests; each gets a rig of its own, and they run one after another. */
export function fenceDeviceSuite(name: string, makeRig: () => Promise<FenceRig>): void {
  for (const [title, keeps] of promises) {
    test.serial(`${name}: ${title}`, async t => {
      t.timeout(patienceMs * 3)
      await using rig = await makeRig()
      await keeps(t, rig)
    })
  }
}
