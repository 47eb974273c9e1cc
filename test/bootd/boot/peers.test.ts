import test from 'ava'
import { keptBoots, recalledBoots } from '../../../bootd/core/boot-memory.ts'
import { indexPlan } from '../../../bootd/core/boot-plan.ts'
import { addressed, type MachineBoot, progressed } from '../../../bootd/core/boot-progress.ts'
import { readProgress, readRequest } from '../../../bootd/core/boot-request.ts'
import { joinAnswer } from '../../../bootd/core/join-answer.ts'
import { refusePeer } from '../../../bootd/core/peer-request.ts'
import { peerPort, peersFor, peersMax, ticketS } from '../../../bootd/core/peers.ts'
import type { BootMachine } from '../../../shared/wire/boot.ts'
import { isTicket, peerKeyOf, peersKeyOf, ticketOf } from '../../../shared/wire/boot-secret.ts'
import { machine, plan, version, before as versionBefore } from './plans.ts'

const nowS = 1_800_000_000
const key = peersKeyOf('the boot key of a cloud')
const at = { wall: nowS * 1_000, monotonic: 5_000 }
const uuidOf = (number: number) => `4c4c4544-0042-3510-8052-${String(number).padStart(12, '0')}`

const host = (number: number, rack?: string): BootMachine => ({
  ...machine,
  ...{ name: `h${number}`, uuid: uuidOf(number), serial: `S${number}`, macs: [] },
  ...(rack !== undefined && { rack })
})

const boot = (number: number, changes: Partial<MachineBoot> = {}): MachineBoot => ({
  ...{ boot: `b${number}`, uuid: uuidOf(number), macs: [], address: `10.0.0.${number}` },
  ...{ profile: 'host', version, isFallback: false, stage: 'joined', stages: [], failures: 0 },
  ...{ stageAt: at, hasFailed: false, serves: peerPort },
  ...changes
})

const asking = boot(1, { stage: 'initramfs' })

/** Who is named to host 1, by the ends of their addresses. */
function named(
  boots: readonly MachineBoot[],
  given: { readonly machines?: readonly BootMachine[]; readonly random?: () => number } = {}
): readonly number[] {
  const { machines = [1, 2, 3, 4, 5, 6].map(one => host(one)), random = () => 0 } = given
  const index = indexPlan({ ...plan, machines, peers: { key } })
  const urls = peersFor(asking, { index, boots: [asking, ...boots], nowS, random })
  return urls.map(url => Number(/10\.0\.0\.(\d+):/.exec(url)?.[1]))
}

test('a host is named that joined with the same version and serves it', t => {
  const index = indexPlan({ ...plan, machines: [host(1), host(2)], peers: { key } })
  const [url, ...more] = peersFor(asking, { index, boots: [boot(2)], nowS, random: () => 0 })
  const ticket = ticketOf(peerKeyOf(key, 'b2'), {
    ...{ version, address: '10.0.0.1', untilS: nowS + ticketS }
  })
  t.is(url, `http://10.0.0.2:${peerPort}/images/${version}/root.squashfs?token=${ticket}`)
  t.deepEqual(more, [])
})

const { serves: _, ...silent } = boot(2)
const { address: __, ...nowhere } = boot(2)

for (const [what, one] of [
  ['that has not said that it serves', silent],
  ['of another version', boot(2, { version: versionBefore })],
  ['that boots just now', boot(2, { stage: 'system' })],
  ['that has failed', boot(2, { stage: 'failed' })],
  ['whose shell waits', boot(2, { profile: 'rescue' })],
  ['without an address', nowhere],
  ['that had the address of who asks', boot(2, { address: '10.0.0.1' })],
  ['that the plan does not know', boot(7)]
] as const) {
  test(`a machine ${what} is not named`, t => {
    t.deepEqual(named([one]), [])
    t.deepEqual(named([one, boot(3)]), [3])
  })
}

test('where hosts shall not serve, none is named', t => {
  const index = indexPlan({ ...plan, machines: [host(1), host(2)] })
  t.deepEqual(peersFor(asking, { index, boots: [boot(2)], nowS, random: () => 0 }), [])
  t.deepEqual(peersFor(asking, { index: undefined, boots: [boot(2)], nowS, random: () => 0 }), [])
})

test('those of the same rack are named first, and no more than a few', t => {
  const machines = [host(1, 'a'), host(2, 'b'), host(3, 'a'), host(4, 'b'), host(5, 'a'), host(6)]
  const boots = [2, 3, 4, 5, 6].map(one => boot(one))
  const rest = boots.filter(({ boot }) => boot !== 'b5')
  for (const chance of [0, 0.3, 0.7, 0.999]) {
    const random = () => chance
    const all = named(boots, { machines, random })
    t.is(all.length, peersMax)
    t.deepEqual(all.toSorted(), [3, 5], `${chance}`)
    const [near, far] = named(rest, { machines, random })
    t.is(near, 3)
    t.true(far === 2 || far === 4 || far === 6)
  }
})

test('each is named about as often as any other', t => {
  const counts = new Map<number, number>()
  let seed = 1
  const random = () => {
    seed = (seed * 48_271) % 2_147_483_647
    return seed / 2_147_483_647
  }
  for (let times = 0; times < 2_000; times += 1) {
    const both = named(
      [2, 3, 4, 5, 6].map(one => boot(one)),
      { random }
    )
    t.is(new Set(both).size, peersMax)
    for (const one of both) counts.set(one, (counts.get(one) ?? 0) + 1)
  }
  for (const count of counts.values()) t.true(count > 700 && count < 900, `${[...counts]}`)
})

const peerKey = peerKeyOf(key, 'b2')
const content = { version, address: '10.0.0.1', untilS: nowS + 60 }
const ticket = ticketOf(peerKey, content)

test('a ticket is good for one host, one version, one address and a while', t => {
  const asked = { version, address: '10.0.0.1', nowS }
  t.true(isTicket(peerKey, ticket, asked))
  t.true(isTicket(peerKey, ticket, { ...asked, nowS: nowS + 60 }))
  for (const [what, isGood] of [
    ['late', isTicket(peerKey, ticket, { ...asked, nowS: nowS + 61 })],
    ['of another host', isTicket(peerKeyOf(key, 'b3'), ticket, asked)],
    ['of another cloud', isTicket(peerKeyOf(peersKeyOf('other'), 'b2'), ticket, asked)],
    ['for another address', isTicket(peerKey, ticket, { ...asked, address: '10.0.0.10' })],
    ['for another version', isTicket(peerKey, ticket, { ...asked, version: versionBefore })],
    ['made longer', isTicket(peerKey, ticket.replace(/^\d+/, `${nowS + 999}`), asked)],
    ['cut', isTicket(peerKey, ticket.slice(0, -1), asked)],
    ['none', isTicket(peerKey, '', asked)],
    ['not of ASCII', isTicket(peerKey, 'é'.repeat(ticket.length), asked)]
  ] as const) {
    t.false(isGood, what)
  }
})

test('a host that serves answers for one file alone', t => {
  const own = { version, key: peerKey, nowS }
  const path = `/images/${version}/root.squashfs`
  const ask = (path: string, method = 'GET', address = '10.0.0.1') =>
    refusePeer({ method, path, address }, own)?.status
  const good = `${path}?token=${ticket}`
  t.is(ask(good), undefined)
  t.is(ask(good, 'HEAD'), undefined)
  for (const [path_, method, address, status] of [
    [good, 'POST', '10.0.0.1', 405],
    [good, 'GET', '10.0.0.2', 403],
    [path, 'GET', '10.0.0.1', 403],
    [`${path}?token=x`, 'GET', '10.0.0.1', 404],
    [`${good}&more=1`, 'GET', '10.0.0.1', 404],
    [`${path}?token=${nowS}.${'A'.repeat(43)}`, 'GET', '10.0.0.1', 403],
    [good.replace(version, versionBefore), 'GET', '10.0.0.1', 404],
    [good.replace('root.squashfs', 'initrd'), 'GET', '10.0.0.1', 404],
    [`/images/${version}/../../etc/shadow?token=${ticket}`, 'GET', '10.0.0.1', 404],
    ['/', 'GET', '10.0.0.1', 404],
    ['', 'DELETE', '', 404]
  ] as const) {
    t.is(ask(path_, method, address), status, `${method} ${path_} from ${address}`)
  }
})

test('only who has joined serves, until it boots anew; bootd remembers it over a restart', t => {
  const { serves: _, ...joined } = boot(2)
  const serving = progressed(joined, { stage: 'joined', serves: 7_481 }, at)
  t.is(serving.serves, 7_481)
  t.is(progressed(serving, { stage: 'joined', serves: 7_481 }, at), serving)
  t.is(progressed(serving, { stage: 'failed', because: 'x' }, at), serving)
  const late = progressed({ ...joined, stage: 'agent' }, { stage: 'joined', serves: 7_481 }, at)
  t.like(late, { stage: 'joined', serves: 7_481 })
  const early = progressed({ ...joined, stage: 'image' }, { stage: 'agent', serves: 1 }, at)
  t.is(early.serves, undefined)
  t.is(recalledBoots(JSON.parse(JSON.stringify(keptBoots([serving], at))), at)[0]?.serves, 7_481)
  const seen = { mac: '52:54:00:00:00:02', address: '10.0.0.2', isIpxe: false }
  t.is(addressed(serving, seen, { boot: 'b9', at }).serves, undefined)
})

for (const [form, said] of [
  ['stage=joined&serves=7481', { stage: 'joined', serves: 7_481 }],
  ['stage=joined&serves=0', { stage: 'joined' }],
  ['stage=joined&serves=70000', { stage: 'joined' }],
  ['stage=joined&serves=-1', { stage: 'joined' }],
  ['stage=image&badPeer=10.0.0.7', { stage: 'image', badPeer: '10.0.0.7' }],
  ['stage=image&badPeer=10.0.0.7%0a', { stage: 'image' }],
  ['stage=image&badPeer=h7', { stage: 'image' }]
] as const) {
  test(`"${form}" is read as it is meant`, t => {
    t.deepEqual(readProgress(form) as object, said)
  })
}

test('who else serves is asked by GET alone', t => {
  const token = 'T'.repeat(43)
  t.deepEqual(readRequest('GET', `/v1/boots/${token}/peers`), { asks: 'peers', token })
  for (const method of ['HEAD', 'POST', 'PUT']) {
    t.like(readRequest(method, `/v1/boots/${token}/peers`), { status: 405 })
  }
})

test('a host learns by what it serves, where hosts shall, and a shell does not', t => {
  const index = indexPlan({ ...plan, machines: [host(2)], peers: { key } })
  t.deepEqual(joinAnswer(index, boot(2))['peer'], { key: peerKeyOf(key, 'b2'), port: peerPort })
  t.is(joinAnswer(index, boot(2, { profile: 'rescue' }))['peer'], undefined)
  t.is(joinAnswer(indexPlan(plan), boot(2))['peer'], undefined)
  t.false(JSON.stringify(joinAnswer(index, boot(2))).includes(key))
})
