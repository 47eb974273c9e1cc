/**
 * What every Hypervisor promises, the fake and the real one. A rig brings the hypervisor under
 * test, guests that it can run, and what others may do to them behind its back.
 */
import { randomUUID } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { isFault } from '#shared/fault.ts'
import type { DomainEvent, DomainKey, Driver, Hypervisor } from '../../agent/core/ports.ts'

export type GuestSpec = {
  readonly driver: Driver
  readonly uuid: string
  readonly name: string
  readonly memoryMib: number
  /** Text of our metadata element; undefined for a foreign domain. */
  readonly metadata: string | undefined
}

export type HypervisorRig = AsyncDisposable & {
  readonly hypervisor: Hypervisor
  /** Describes a guest that answers at its console; a container ends when it is asked to. */
  readonly xml: (guest: GuestSpec) => string
  /** Ends a domain as someone else would. */
  readonly killBehind: (key: DomainKey) => Promise<void>
  /** Makes the hypervisor lose its connection; the domains go on. */
  readonly disconnect: () => Promise<void>
}

/** Nothing in the suite may take longer; a real guest needs a second or two. */
const patienceMs = 60_000

const drivers: readonly Driver[] = ['qemu', 'lxc']

/** Registers the suite's tests; each gets a rig of its own, and they run one after another. */
export function hypervisorSuite(name: string, makeRig: () => Promise<HypervisorRig>): void {
  const behaves = (
    title: string,
    body: (t: ExecutionContext, rig: HypervisorRig) => Promise<void>
  ): void => {
    test.serial(`${name}: ${title}`, async t => {
      await using rig = await makeRig()
      await body(t, rig)
    })
  }
  for (const driver of drivers) {
    livesAndDies(behaves, driver)
    refuses(behaves, driver)
    attachesConsole(behaves, driver)
  }
  tellsOfEvents(behaves)
  looksAfterItself(behaves)
}

type Behaves = (
  title: string,
  body: (t: ExecutionContext, rig: HypervisorRig) => Promise<void>
) => void

const metadata = '{"text":"<tag> & \\"quotes\\" \'single\' – ü","number":1}\n second line'

function livesAndDies(behaves: Behaves, driver: Driver): void {
  behaves(`a ${driver} domain is listed as it was created`, async (t, rig) => {
    const guest = await startGuest(rig, driver, { metadata })
    const { uuid, name, memoryMib } = guest
    const found = (await rig.hypervisor.domains()).find(domain => domain.uuid === uuid)
    const rest = { state: 'running', reason: 'booted', vcpus: 1 } as const
    t.deepEqual(found, { uuid, name, driver, metadata, memoryMib, ...rest })
  })

  behaves(`a ${driver} domain of someone else is listed without metadata`, async (t, rig) => {
    const { uuid } = await startGuest(rig, driver, { metadata: undefined })
    const found = (await rig.hypervisor.domains()).find(domain => domain.uuid === uuid)
    t.is(found?.metadata, undefined)
    t.is(found?.state, 'running')
  })

  behaves(`a ${driver} domain that was destroyed does not exist`, async (t, rig) => {
    const guest = await startGuest(rig, driver)
    await rig.hypervisor.destroy(guest)
    t.deepEqual(await rig.hypervisor.domains(), [])
    await t.throwsAsync(rig.hypervisor.destroy(guest), { code: 'not-found' })
  })

  behaves(`a ${driver} domain is paused when suspended, and runs when resumed`, async (t, rig) => {
    const guest = await startGuest(rig, driver)
    await rig.hypervisor.suspend(guest)
    t.like((await rig.hypervisor.domains())[0], { state: 'paused', reason: 'user' })
    await rig.hypervisor.resume(guest)
    t.like((await rig.hypervisor.domains())[0], { state: 'running', reason: 'unpaused' })
  })

  behaves(`the counters of a ${driver} domain are there while it runs`, async (t, rig) => {
    const { uuid, ...guest } = await startGuest(rig, driver)
    const [stats] = await rig.hypervisor.stats()
    t.is(stats?.uuid, uuid)
    for (const [counter, value] of Object.entries(stats ?? {})) {
      if (counter !== 'uuid') t.true(Number.isSafeInteger(value) && Number(value) >= 0, counter)
    }
    const [cheap] = await rig.hypervisor.stats('processors')
    t.is(cheap?.uuid, uuid)
    t.true(Number(cheap?.cpuNs) >= Number(stats?.cpuNs))
    await rig.hypervisor.destroy({ uuid, ...guest })
    t.deepEqual(await rig.hypervisor.stats(), [])
  })
}

function refuses(behaves: Behaves, driver: Driver): void {
  behaves(`a second ${driver} domain of one UUID or name is a conflict`, async (t, rig) => {
    const guest = await startGuest(rig, driver)
    const create = (spec: GuestSpec): Promise<void> => rig.hypervisor.create(driver, rig.xml(spec))
    await t.throwsAsync(create(guest), { code: 'conflict' })
    await t.throwsAsync(create({ ...guest, uuid: randomUUID() }), { code: 'conflict' })
    await t.throwsAsync(create({ ...guest, name: 'other' }), { code: 'conflict' })
    t.is((await rig.hypervisor.domains()).length, 1)
  })

  const bad = ['', 'no XML', '<domain/>', '<domain type="none"><name>x</name></domain>']
  for (const xml of bad) {
    behaves(`${driver} refuses to start ${JSON.stringify(xml)}`, async (t, rig) => {
      await t.throwsAsync(rig.hypervisor.create(driver, xml), { code: 'hypervisor' })
      t.deepEqual(await rig.hypervisor.domains(), [])
    })
  }

  behaves(`nothing can be done to a ${driver} domain that does not exist`, async (t, rig) => {
    const key = { driver, uuid: randomUUID() }
    for (const verb of ['destroy', 'shutdown', 'suspend', 'resume', 'console'] as const) {
      await t.throwsAsync(rig.hypervisor[verb](key), { code: 'not-found' }, verb)
    }
  })
}

function attachesConsole(behaves: Behaves, driver: Driver): void {
  behaves(`the console of a ${driver} domain answers, and ends with it`, async (t, rig) => {
    const guest = await startGuest(rig, driver)
    const console = await rig.hypervisor.console(guest)
    await hearsFrom(console, 'hello')
    const rest = console.toArray({ signal: AbortSignal.timeout(patienceMs) })
    await rig.hypervisor.destroy(guest)
    t.true(Array.isArray(await rest))
  })

  behaves(`the console of a ${driver} domain can be attached again`, async (t, rig) => {
    const guest = await startGuest(rig, driver)
    const first = await rig.hypervisor.console(guest)
    await hearsFrom(first, 'first')
    first.destroy()
    const second = await rig.hypervisor.console(guest)
    await hearsFrom(second, 'second')
    second.destroy()
    t.is((await rig.hypervisor.domains()).length, 1)
  })
}

function tellsOfEvents(behaves: Behaves): void {
  for (const driver of drivers) {
    behaves(`the life of a ${driver} domain is told in events`, async (t, rig) => {
      const told = listen(t, rig.hypervisor)
      const { uuid, name } = await startGuest(rig, driver)
      const key = { driver, uuid }
      const event = await told.next('started')
      t.deepEqual(event, { uuid, name, driver, event: 'started', detail: 'booted' })
      await rig.hypervisor.suspend(key)
      t.is((await told.next('suspended')).uuid, uuid)
      await rig.hypervisor.resume(key)
      t.is((await told.next('resumed')).uuid, uuid)
      await rig.hypervisor.destroy(key)
      const stopped = await told.next('stopped')
      t.is(stopped.uuid, uuid)
      // Of a container libvirt's monitor may see the end before the call that made it has told it.
      t.true(['destroyed', ...(driver === 'lxc' ? ['failed'] : [])].includes(stopped.detail ?? ''))
    })

    behaves(`a ${driver} domain that ends behind our back is told and gone`, async (t, rig) => {
      const told = listen(t, rig.hypervisor)
      const { uuid } = await startGuest(rig, driver)
      await rig.killBehind({ driver, uuid })
      t.is((await told.next('stopped')).uuid, uuid)
      t.deepEqual(await rig.hypervisor.domains(), [])
    })
  }

  behaves('a container that takes the wish to shut down ends', async (t, rig) => {
    const told = listen(t, rig.hypervisor)
    let guest = await startGuest(rig, 'lxc')
    while (!(await takesShutdown(rig.hypervisor, guest))) {
      await rig.hypervisor.destroy(guest)
      await told.next('stopped')
      guest = await startGuest(rig, 'lxc')
    }
    const stopped = told.next('stopped')
    const over = stopped.then(
      () => 'over',
      () => 'over'
    )
    // Its init may not have listened yet, and then the wish is lost: so it is uttered again.
    while ((await Promise.race([over, sleep(200, 'again')])) === 'again') {
      await takesShutdown(rig.hypervisor, guest)
    }
    t.is((await stopped).uuid, guest.uuid)
  })

  behaves('after a lost connection we are told to look again, and can', async (t, rig) => {
    const told = listen(t, rig.hypervisor)
    const { uuid } = await startGuest(rig, 'lxc')
    await told.next('started')
    await rig.disconnect()
    t.like(await told.next('reconnected'), { uuid: '', name: '' })
    t.is((await rig.hypervisor.domains())[0]?.uuid, uuid)
    await rig.hypervisor.destroy({ driver: 'lxc', uuid })
    t.is((await told.next('stopped')).uuid, uuid)
  })

  behaves('each reader of events gets all of them, until it has enough', async (t, rig) => {
    const [left, right] = [listen(t, rig.hypervisor), listen(t, rig.hypervisor)]
    const guest = await startGuest(rig, 'lxc')
    t.is((await left.next('started')).uuid, guest.uuid)
    await left.stop()
    await rig.hypervisor.destroy(guest)
    t.is((await right.next('started')).uuid, guest.uuid)
    t.is((await right.next('stopped')).uuid, guest.uuid)
    t.true(await left.ended())
  })
}

function looksAfterItself(behaves: Behaves): void {
  behaves('many calls at once are all answered', async (t, rig) => {
    const { uuid } = await startGuest(rig, 'lxc')
    const lists = await Promise.all(Array.from({ length: 50 }, () => rig.hypervisor.domains()))
    for (const list of lists)
      t.deepEqual(
        list.map(domain => domain.uuid),
        [uuid]
      )
  })

  behaves('the abilities name an emulator and a version', async (t, rig) => {
    const abilities = await rig.hypervisor.abilities()
    t.true(abilities.qemu)
    t.true(abilities.lxc)
    t.regex(abilities.libvirtVersion, /^\d+\.\d+\.\d+$/)
    t.regex(abilities.qemuVersion ?? '', /^\d+\.\d+\.\d+$/)
    t.regex(abilities.emulator ?? '', /^\/.*qemu/)
    t.truthy(abilities.machine)
  })

  behaves('once it is closed, calls fail as closed and events end', async (t, rig) => {
    const told = listen(t, rig.hypervisor)
    await rig.hypervisor.domains()
    await rig.hypervisor[Symbol.asyncDispose]()
    await t.throwsAsync(rig.hypervisor.domains(), { code: 'closed' })
    t.true(await told.ended())
  })
}

async function startGuest(
  rig: HypervisorRig,
  driver: Driver,
  options: Partial<GuestSpec> = {}
): Promise<GuestSpec> {
  const uuid = randomUUID()
  const name = `contract-${uuid.slice(0, 8)}`
  const guest = { driver, uuid, name, memoryMib: 32, metadata: 'ours', ...options }
  await rig.hypervisor.create(driver, rig.xml(guest))
  return guest
}

/** Asks for a while: a container that has just started may be refused, and a few are for good. */
async function takesShutdown(hypervisor: Hypervisor, key: DomainKey): Promise<boolean> {
  for (let attempt = 1; attempt <= 10; attempt++) {
    try {
      await hypervisor.shutdown(key)
      return true
    } catch (thrown) {
      if (isFault(thrown, 'not-found')) return true
      if (!isFault(thrown, 'hypervisor')) throw thrown
    }
    await sleep(100)
  }
  return false
}

type Listener = {
  /** Waits for the next event of this kind, passing over others. */
  next(event: string): Promise<DomainEvent>
  stop(): Promise<void>
  /** Comes true when no more events come. */
  ended(): Promise<boolean>
}

function listen(t: ExecutionContext, hypervisor: Hypervisor): Listener {
  const stopping = new AbortController()
  const patience = AbortSignal.timeout(patienceMs)
  const signal = AbortSignal.any([stopping.signal, patience])
  t.teardown(() => stopping.abort())
  const events = hypervisor.events(signal)[Symbol.asyncIterator]()
  const seen: string[] = []
  return {
    async next(wanted) {
      for (;;) {
        const { done, value } = await events.next()
        if (done) throw new Error(`no event "${wanted}" came, only ${seen.join(', ') || 'none'}`)
        seen.push(value.event)
        if (value.event === wanted) return value
      }
    },
    stop: async () => stopping.abort(),
    async ended() {
      while (!(await events.next()).done);
      return !patience.aborted
    }
  }
}

/**
 * Types at a console until it comes back: a system that is not up yet may swallow the first. A
 * failure of the console or of our patience ends the wait with it.
 */
async function hearsFrom(console: Duplex, word: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let heard = ''
  const listen = (chunk: Buffer): void => {
    heard += chunk.toString()
    if (heard.includes(word)) resolve()
  }
  console.on('data', listen)
  console.once('error', reject)
  const typing = setInterval(() => console.write(`${word}\n`), 100)
  const patience = setTimeout(() => reject(new Error(`heard only ${heard}`)), patienceMs)
  try {
    await promise
  } finally {
    clearInterval(typing)
    clearTimeout(patience)
    console.off('data', listen)
  }
}

/** Destroys every domain; for a rig whose host outlives it. */
export async function destroyAll(hypervisor: Hypervisor): Promise<void> {
  for (const domain of await hypervisor.domains()) {
    await hypervisor.destroy(domain).catch((thrown: unknown) => {
      if (!isFault(thrown, 'not-found')) throw thrown
    })
  }
}
