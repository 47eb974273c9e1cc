import { randomBytes, randomUUID } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { finished } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import type { Fault } from '#shared/fault.ts'
import type { DomainEvent, Driver, Hypervisor } from '../../agent/core/ports.ts'
import type { Connection, ConnectionLimits } from '../../agent/io/libvirt/connection.ts'
import { makeLibvirt } from '../../agent/io/libvirt/hypervisor.ts'
import { openConnection } from '../../agent/io/libvirt/open.ts'
import { parseUuid } from '../../agent/io/libvirt/uuid.ts'
import { destroyAll } from '../contracts/hypervisor.ts'
import { type GuestFiles, guestXml, prepareGuests } from './guests.ts'
import { type PrivateLibvirtd, startLibvirtd } from './libvirtd.ts'

let libvirtd: PrivateLibvirtd
let files: GuestFiles

test.before(async () => {
  libvirtd = await startLibvirtd()
  files = await prepareGuests(libvirtd.directory)
})

test.after.always(async () => {
  await libvirtd?.[Symbol.asyncDispose]()
})

test.afterEach.always(async () => {
  await using cleaner = connect()
  await destroyAll(cleaner)
})

const connect = (limits: Partial<ConnectionLimits> = {}): Hypervisor => {
  const paths = [libvirtd.socketPath]
  return makeLibvirt({ socketPaths: { qemu: paths, lxc: paths }, limits })
}

const connectBare = (limits: Partial<ConnectionLimits> = {}): Promise<Connection> =>
  openConnection({ socketPath: libvirtd.socketPath, uri: 'qemu:///system', limits })

async function start(
  hypervisor: Hypervisor,
  driver: Driver
): Promise<{ uuid: string; driver: Driver }> {
  const uuid = randomUUID()
  const name = `faults-${uuid.slice(0, 8)}`
  const guest = { driver, uuid, name, memoryMib: 32, metadata: 'before' }
  await hypervisor.create(driver, guestXml(guest, files))
  return { uuid, driver }
}

async function nextOf(events: AsyncIterator<DomainEvent>, wanted: string): Promise<DomainEvent> {
  for (;;) {
    const { done, value } = await events.next()
    if (done) throw new Error(`no event "${wanted}" came`)
    if (value.event === wanted) return value
  }
}

const listen = (hypervisor: Hypervisor): AsyncIterator<DomainEvent> =>
  hypervisor.events(AbortSignal.timeout(60_000))[Symbol.asyncIterator]()

test.serial('domains outlive a libvirtd that is killed, and are found again', async t => {
  await using hypervisor = connect()
  const events = listen(hypervisor)
  const started = [await start(hypervisor, 'qemu'), await start(hypervisor, 'lxc')]
  const console = await hypervisor.console(started[1]!)
  const consoleEnd = t.throwsAsync(finished(console), { code: 'closed' })
  await libvirtd.stop('SIGKILL')
  await consoleEnd
  // What is asked for in the very moment of its end is lost with it; what comes after finds nobody.
  const first = await t.throwsAsync<Fault>(hypervisor.domains())
  t.regex(first.code, /^(closed|unavailable)$/)
  await t.throwsAsync(hypervisor.domains(), { code: 'unavailable' })
  await libvirtd.start()
  await nextOf(events, 'reconnected')
  await nextOf(events, 'reconnected')
  const found = await hypervisor.domains()
  t.deepEqual(
    found.map(({ uuid }) => uuid),
    started.map(({ uuid }) => uuid)
  )
  t.deepEqual(
    found.map(({ metadata }) => metadata),
    ['before', 'before']
  )
})

test.serial('a libvirtd that hangs is noticed, and used again when it goes on', async t => {
  await using patient = connect()
  const { uuid } = await start(patient, 'lxc')
  await using hypervisor = connect({ pingMs: 200, pingsUnansweredMax: 5 })
  const events = listen(hypervisor)
  t.is((await hypervisor.domains()).length, 1)
  await libvirtd.freeze(true)
  try {
    await t.throwsAsync(hypervisor.domains(), { code: 'closed' })
  } finally {
    await libvirtd.freeze(false)
  }
  await nextOf(events, 'reconnected')
  t.is((await hypervisor.domains())[0]?.uuid, uuid)
})

test.serial('an idle connection lives, because libvirtd answers our pings', async t => {
  const faults: unknown[] = []
  // A machine that is busy may stand still for longer than that; without answers none would live.
  for (let attempt = 0; attempt < 3; attempt += 1) {
    await using connection = await connectBare({ pingMs: 50, pingsUnansweredMax: 20 })
    await Promise.race([sleep(2_500), connection.ended])
    if (connection.fault === undefined) break
    faults.push(connection.fault)
  }
  t.true(faults.length < 3, `${faults}`)
})

for (const [driver, program] of [
  ['qemu', 'qemu-system-x86'],
  ['lxc', 'libvirt_lxc']
] as const) {
  test.serial(`a ${driver} domain whose process is killed is told as stopped`, async t => {
    await using hypervisor = connect()
    const events = listen(hypervisor)
    const { uuid } = await start(hypervisor, driver)
    for (const pid of await libvirtd.pidsOf(program)) process.kill(pid, 'SIGKILL')
    const { uuid: told, detail } = await nextOf(events, 'stopped')
    t.is(told, uuid)
    t.regex(detail, /crashed|failed|shutdown/)
    t.deepEqual(await hypervisor.domains(), [])
  })
}

test.serial('changed metadata and added devices are told, and metadata is read anew', async t => {
  await using hypervisor = connect()
  const events = listen(hypervisor)
  const { uuid } = await start(hypervisor, 'qemu')
  t.is((await hypervisor.domains())[0]?.metadata, 'before')
  await using other = await connectBare()
  const { dom } = await other.call('domainLookupByUuid', { uuid: parseUuid(uuid) })
  await other.call('domainSetMetadata', {
    dom,
    type: 2, // VIR_DOMAIN_METADATA_ELEMENT
    metadata: '<instance>after</instance>',
    key: 'remuda',
    uri: 'https://remuda.dev/domain/1',
    flags: 1 // of the domain that runs
  })
  t.is((await nextOf(events, 'changed')).detail, 'metadata')
  t.is((await hypervisor.domains())[0]?.metadata, 'after')
  const xml = "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"
  await other.call('domainAttachDeviceFlags', { dom, xml, flags: 1 })
  t.regex((await nextOf(events, 'device')).detail, /^rng\d+ added$/)
})

test.serial('a machine without ACPI is asked to shut down, and runs on', async t => {
  await using hypervisor = connect()
  const key = await start(hypervisor, 'qemu')
  await hypervisor.shutdown(key)
  t.is((await hypervisor.domains())[0]?.state, 'running')
})

test.serial('a volume is filled and read back through streams', async t => {
  await using connection = await connectBare()
  const directory = join(libvirtd.directory, 'pool')
  await mkdir(directory)
  const { pool } = await connection.call('storagePoolCreateXml', {
    xml: `<pool type='dir'><name>p</name><target><path>${directory}</path></target></pool>`,
    flags: 0
  })
  const size = 3_000_000
  const { vol } = await connection.call('storageVolCreateXml', {
    pool,
    xml: `<volume><name>v</name><capacity unit='bytes'>${size}</capacity></volume>`,
    flags: 0
  })
  const args = { vol, offset: 0n, length: 0n, flags: 0 }
  const sent = randomBytes(size)
  const upload = await connection.stream('storageVolUpload', args)
  upload.end(sent)
  await finished(upload, { readable: false })
  const download = await connection.stream('storageVolDownload', args)
  const read = Buffer.concat(await (download as Duplex).toArray())
  t.true(read.equals(sent))
  await connection.call('storageVolDelete', { vol, flags: 0 })
  await t.throwsAsync(connection.stream('storageVolDownload', args), { code: 'hypervisor' })
  await connection.call('storagePoolDestroy', { pool })
  t.is(connection.fault, undefined)
})
