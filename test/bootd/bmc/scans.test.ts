/** Looking for baseboard controllers over real sockets, with stand-ins for them on loopback. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import test from 'ava'
import { realClock } from '#shared/clock.ts'
import { isFault, sentence } from '#shared/fault.ts'
import { silentLog } from '#shared/log.ts'
import type { BmcFound } from '#shared/wire/bootd-question.ts'
import { BmcScans } from '../../../bootd/io/bmc/scans.ts'
import { RedfishBmc } from '../../../tools/lab/bmc/redfish-bmc.ts'
import { serviceCertificate } from '../../world/redfish-certificate.ts'
import { until } from '../boot/boot-server.ts'

const pong = Buffer.from('0600ff06000011be40010010000011be000000008100000000000000', 'hex')
const capabilities = Buffer.from(
  `0600ff07${'00'.repeat(9)}10811c63200038000196040300000000`.concat('00'),
  'hex'
)

/** Scans again until this was found: on a busy machine an answer may come too late. */
async function scanUntil(scans: BmcScans, range: string, isSo: (item: BmcFound) => boolean) {
  for (;;) {
    await until(() => scans.found().scan?.isOver !== false)
    const found = scans.found().items.find(isSo)
    if (found) return found
    scans.begin(range)
  }
}

/** A controller that answers both questions; gives its port, and who asked. */
async function controllerAt(address: string, answersOnly?: 'asf') {
  const socket = createSocket('udp4')
  socket.on('message', (bytes, from) => {
    if (bytes[3] === 6) socket.send(pong, from.port, from.address)
    else if (answersOnly === undefined) socket.send(capabilities, from.port, from.address)
  })
  socket.bind({ address, port: 0 })
  await once(socket, 'listening')
  return {
    port: socket.address().port,
    [Symbol.asyncDispose]: () => new Promise<void>(resolve => socket.close(() => resolve()))
  }
}

const scansWith = (ports: { readonly rmcp: number; readonly redfish: number }): BmcScans =>
  new BmcScans({
    ...{ clock: realClock, log: silentLog, ports },
    macOf: async address => (address === '127.0.0.1' ? '52:54:00:00:00:01' : undefined)
  })

test('who answers is found, with what it speaks, and remembered', async t => {
  t.timeout(60_000)
  await using controller = await controllerAt('127.0.0.1')
  await using redfish = await RedfishBmc.start(await serviceCertificate())
  const port = Number(new URL(redfish.url).port)
  await using scans = scansWith({ rmcp: controller.port, redfish: port })
  t.deepEqual(scans.found(), { items: [] })
  scans.begin('127.0.0.0/29')
  t.like(scans.found().scan, { range: '127.0.0.0/29', of: 6, isOver: false })
  await scanUntil(scans, '127.0.0.0/29', one => one.asf && one.ipmi && one.redfish !== undefined)
  const { items, scan } = scans.found()
  t.like(scan, { asked: 6, of: 6, problem: undefined })
  t.is(items.length, 1)
  t.like(items[0], {
    ...{ address: '127.0.0.1', mac: '52:54:00:00:00:01', asf: true, ipmi: true, ipmi2: true },
    redfish: '1.9.0'
  })
  t.deepEqual([...new Set(redfish.requests)], ['GET /redfish/v1'], 'no password')
  scans.begin('127.0.0.9')
  await until(() => scans.found().scan?.isOver === true)
  t.is(scans.found().items.length, 1, 'what was found before')
})

test('one that answers the ping alone is found; who was not asked is not believed', async t => {
  t.timeout(60_000)
  await using controller = await controllerAt('127.0.0.1', 'asf')
  await using scans = scansWith({ rmcp: controller.port, redfish: 1 })
  const found = await scanUntil(scans, '127.0.0.1/32', one => one.asf)
  t.like(found, { ipmi: false, redfish: undefined })
})

test('Redfish is asked for no faster than IPMI, also where all refuse at once', async t => {
  t.timeout(60_000)
  const slept: number[] = []
  const clock = { ...realClock, sleep: async (ms: number) => void slept.push(ms) }
  await using scans = new BmcScans({
    ...{ clock, log: silentLog, ports: { rmcp: 1, redfish: 1 } },
    macOf: async () => undefined
  })
  scans.begin('127.0.0.0/25')
  await until(() => scans.found().scan?.isOver === true)
  const groups = [50, 50, 50, 50]
  t.deepEqual(slept, [...groups, 2_000, ...groups.slice(1)], '126 addresses are 4 groups of 32')
})

test('one scan goes on at a time, and none of what is no range', async t => {
  t.timeout(60_000)
  await using scans = scansWith({ rmcp: 1, redfish: 1 })
  t.regex(
    sentence(t.throws(() => scans.begin('everything'))),
    /cannot scan: everything is no range/
  )
  scans.begin('127.0.0.1')
  const second = t.throws(() => scans.begin('127.0.0.2'))
  t.true(isFault(second, 'conflict'))
  t.regex(sentence(second), /a scan is under way/)
})
