import { closeSync, constants, existsSync, openSync, readSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { run } from '#shared/process.ts'
import { keptOf, WatchdogKeeper } from '../../agent/io/watchdog-keeper.ts'
import { eventually } from '../lab/cloud/waiting.ts'
import { endKeepers, keepersOf } from './keepers.ts'

const long = (): number => 600_000

/** A device that remembers how often it was pet, and where its keeper is found. */
class Device implements AsyncDisposable {
  readonly place: { readonly device: string; readonly folder: string; readonly group: string }
  readonly #folder: string
  readonly #fd: number

  private constructor(folder: string) {
    this.#folder = folder
    const device = join(folder, 'watchdog0')
    this.place = { device, folder: join(folder, 'run'), group: '' }
    this.#fd = openSync(device, constants.O_RDWR | constants.O_NONBLOCK)
  }

  static async make(): Promise<Device> {
    const folder = await mkdtemp(join(tmpdir(), 'remuda-keeper-'))
    await run('mkfifo', [join(folder, 'watchdog0')], { deadlineMs: 10_000 })
    return new Device(folder)
  }

  /** How often it was pet since this was asked last. */
  get pets(): number {
    const read = Buffer.alloc(4_096)
    try {
      return readSync(this.#fd, read)
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'EAGAIN') throw thrown
      return 0
    }
  }

  /** Waits until it was pet. */
  async pet(t: ExecutionContext, times = 1): Promise<void> {
    const pets = await eventually('it is pet', async () => this.pets || undefined)
    t.is(pets, times)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await endKeepers(this.#folder)
    closeSync(this.#fd)
    await rm(this.#folder, { recursive: true, force: true })
  }
}

test('it opens the device, pets when it is told, and says nothing when the agent ends', async t => {
  await using device = await Device.make()
  const keeper = await WatchdogKeeper.of(device.place, long)
  await device.pet(t)
  keeper.pet(long)
  await device.pet(t)
  const [pid] = await keepersOf(device.place.device)
  keeper[Symbol.dispose]()
  process.kill(pid!, 'SIGHUP')
  await sleep(200)
  t.is(device.pets, 0)
  using next = await WatchdogKeeper.of(device.place, long)
  t.deepEqual(await keepersOf(device.place.device), [pid], 'the next run of the agent has found it')
  next.pet(long)
  await device.pet(t)
})

test('what comes after its time pets nobody, nor is the device opened then', async t => {
  await using device = await Device.make()
  await t.throwsAsync(
    WatchdogKeeper.of(device.place, () => 0),
    { message: /no lease any more/ }
  )
  t.is(device.pets, 0)
  using keeper = await WatchdogKeeper.of(device.place, long)
  await device.pet(t)
  const [pid] = await keepersOf(device.place.device)
  process.kill(pid!, 'SIGSTOP')
  keeper.pet(() => 50)
  await sleep(100)
  process.kill(pid!, 'SIGCONT')
  keeper.pet(() => -1)
  keeper.pet(long)
  await device.pet(t)
  await sleep(200)
  t.is(device.pets, 0, 'once, for the last that it was told')
})

test('one that cannot leave the control group of its agent says so', async t => {
  await using device = await Device.make()
  using _apart = await WatchdogKeeper.of(device.place, long)
  t.is(keptOf(device.place), 'apart')
  await endKeepers(device.place.device)
  t.is(keptOf(device.place), 'no', 'nor does one that has ended')
  const own = (await readFile('/proc/self/cgroup', 'utf8').catch(() => '')).trim()
  using _beside = await WatchdogKeeper.of({ ...device.place, group: '/proc/none' }, long)
  t.is(keptOf(device.place), own === '' || own === '0::/' ? 'apart' : 'beside')
})

test('that it was killed is told, and another one is started', async t => {
  await using device = await Device.make()
  const keeper = await WatchdogKeeper.of(device.place, long)
  await device.pet(t)
  await endKeepers(device.place.device)
  t.throws(() => keeper.pet(long), { code: 'EPIPE' })
  keeper[Symbol.dispose]()
  using other = await WatchdogKeeper.of(device.place, long)
  await device.pet(t)
  other.pet(long)
  await device.pet(t)
})

test('why it cannot open a device is told', async t => {
  await using device = await Device.make()
  const missing = join(device.place.folder, 'watchdog1')
  for (const [place, message] of [
    [{ ...device.place, device: missing }, /there is no device .*watchdog1/],
    [{ ...device.place, device: device.place.folder }, /there is no device/]
  ] as const) {
    await t.throwsAsync(WatchdogKeeper.of(place, long), { code: 'unavailable', message })
  }
  t.false(existsSync(missing), 'a file in its place would be pet for ever')
  t.deepEqual(await keepersOf(device.place.folder), [])
  t.deepEqual(await readdir(device.place.folder), [])
})
