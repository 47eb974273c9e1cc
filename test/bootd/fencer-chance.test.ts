/** Devices that fail by chance: no verdict is wrong, and none is missed. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { silentLog } from '#shared/log.ts'
import { deviceName } from '#shared/model/fence.ts'
import type { FenceOrder, FenceState } from '#shared/wire/fence.ts'
import { FenceExecutor } from '../../bootd/io/fence/executor.ts'
import { queuedDevice } from '../../bootd/io/fence/queued.ts'
import { Fencer } from '../../bootd/io/fencer.ts'
import { type BmcFaults, FakeBmc } from '../world/fake-bmc.ts'
import { FakeClock } from '../world/fake-clock.ts'

/** Two hosts; the first has two levels, the second shares the first's strip. */
const hosts = { h1: [['h1-bmc'], ['strip-1', 'strip-2']], h2: [['h2-bmc', 'strip-3']] } as const
type HostName = keyof typeof hosts
const bmcNames = Object.values(hosts).flat(2)

const never: BmcFaults = {
  ...{ lying: false, silent: false, wrongPassword: false, flapping: false, vague: false },
  ...{ slowReadings: 0, failing: 0 }
}
const deeds = fc.oneof(
  fc.record({
    type: fc.constant('want' as const),
    host: fc.constantFrom<HostName>('h1', 'h2'),
    want: fc.constantFrom<FenceOrder['want']>('watch', 'off', 'on'),
    isNewController: fc.boolean()
  }),
  fc.record({
    type: fc.constant('fault' as const),
    bmcs: fc.subarray([...bmcNames], { minLength: 1 }),
    faults: fc.constantFrom<BmcFaults>(
      never,
      { lying: true },
      { lying: true, vague: true },
      { lying: true, failing: 1 },
      { silent: true },
      { wrongPassword: true },
      { vague: true },
      { slowReadings: 3 },
      { failing: 2 }
    )
  }),
  fc.record({ type: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 30_000 }) })
)

test('a verdict is never wrong, and what is wanted comes about once faults are over', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'remuda-chance-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  let run = 0
  await fc.assert(
    fc.asyncProperty(fc.array(deeds, { minLength: 1, maxLength: 12 }), async sequence => {
      const clock = new FakeClock({ turns: 6 })
      const executor = new FenceExecutor({ clock })
      const bmcs = new Map(bmcNames.map(name => [name as string, new FakeBmc(name)]))
      const wrong: string[] = []
      const open = (model: Parameters<typeof deviceName>[0]) => {
        const device = bmcs.get(deviceName(model).replace('lab switch of ', ''))!
        const key = device.name.replace(/-\d$/, '')
        const face = (urgency: 'fence' | 'watch') =>
          queuedDevice(device, { executor, key, urgency, deadlineMs: 8_000, hidden: [] })
        return {
          fence: face('fence'),
          watch: face('watch'),
          [Symbol.asyncDispose]: async () => {}
        }
      }
      const seen = new Set<string>()
      const judge = (state: FenceState): void => {
        const { verdict, phase, level, name, want, fence } = state
        if (verdict === undefined || phase !== 'proven' || seen.has(`${fence}`)) return
        seen.add(`${fence}`)
        const names = hosts[name as HostName][level - 1]!
        const areOff = names.every(each => !bmcs.get(each)!.isRunning)
        const isRight = want === 'off' ? areOff : names.every(each => bmcs.get(each)!.isRunning)
        if (!isRight || verdict.fence !== fence) wrong.push(JSON.stringify(state))
      }
      const epochFile = join(folder, String(++run), 'epoch.json')
      await using fencer: Fencer = await Fencer.open({
        ...{ epochFile, clock, log: silentLog, open, silenceMsMax: Number.MAX_SAFE_INTEGER },
        onChanged: () => fencer?.reports().forEach(judge)
      })
      let epoch = 1
      let count = 0
      const wanted = new Map<HostName, FenceOrder>()
      const want = async (): Promise<void> => {
        const orders = [...wanted.values()].map(order => ({ ...order, epoch }))
        await fencer.want(orders, epoch)
      }
      for (const deed of sequence) {
        if (deed.type === 'fault') {
          for (const bmc of deed.bmcs) Object.assign(bmcs.get(bmc)!.faults, never, deed.faults)
        } else if (deed.type === 'want') {
          const { host: name, want: what } = deed
          const levels = hosts[name].map(names => ({
            devices: names.map(host => ({ type: 'lab' as const, socket: '/s', host }))
          }))
          const fence = `f-${++count}`
          wanted.set(name, {
            ...{ host: `uuid-${name}`, name, levels, secrets: {}, want: what, epoch, fence }
          })
          if (deed.isNewController) epoch += 1
          await want()
        } else await clock.pass(deed.ms)
      }
      for (const bmc of bmcs.values()) Object.assign(bmc.faults, never)
      await want()
      const areMet = () =>
        fencer.reports().every(state => state.want === 'watch' || state.phase === 'proven')
      await clock.passUntil(areMet, 300_000)
      for (const bmc of bmcs.values()) if (bmc.inFlightMost > 1) wrong.push(`${bmc.name} twice`)
      if (wrong.length > 0) throw new Error(wrong.join('\n'))
    }),
    { numRuns: 400 }
  )
  t.pass()
})
