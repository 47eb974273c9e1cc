import test from 'ava'
import type { Instance } from '#shared/model/instance.ts'
import { isRefusal } from '../../../../controller/core/refusal.ts'
import { type Outlook, outlookOf } from '../../../../controller/core/reserve/outlook.ts'
import { planOf } from '../../../../controller/core/reserve/plan.ts'
import { promiseOf, strandingSentence } from '../../../../controller/core/reserve/promise.ts'
import { reserveOf } from '../../../../controller/core/reserve/settings.ts'
import { imagined, type WhatIf } from '../../../../controller/core/reserve/what-if.ts'
import { RandomCloud } from './random-cloud.ts'

const plain = { memoryMib: 4_608, vcpusPerThread: 4, rack: 0, lxc: false }
const vm = { type: 'vm', pool: 'far', vcpus: 1, priority: 500, highlyAvailable: true } as const
const big = { ...vm, memoryMib: 2_048, desiredPower: 'running' } as const

const nothing: WhatIf = { without: [], with: [] }

function outlook(random: RandomCloud, whatIf: WhatIf = nothing): Outlook {
  const { view, context } = random.cloud
  const thought = imagined(view, whatIf, context.now)
  if (isRefusal(thought)) throw new Error(JSON.stringify(thought.refused))
  const look = outlookOf(view, thought.ground, reserveOf(view))
  for (;;) {
    const step = look.next()
    if (step.done) return step.value
  }
}

const left = (look: Outlook, name: string) => look.sizes.find(size => size.name === name)!

/** Three hosts of 4 GiB for instances each, and the size `big`. */
function three(healing = { reserveHosts: 1 }): RandomCloud {
  const random = new RandomCloud([plain, plain, plain], healing)
  const spec = { vcpus: 1, memoryMib: 2_048 }
  random.cloud.done({ verb: 'create', kind: 'size', name: 'big', spec })
  return random
}

test('what is left is told as it is and after the worst loss', t => {
  const random = three()
  random.cloud.done(random.wish(big))
  const size = left(outlook(random), 'big')
  t.like(size, { now: 5, after: 3, limit: 'memory', byMemory: 5 })
})

test('as many can be created as are left after the loss, and then it says which loss', t => {
  const random = three()
  const { after } = left(outlook(random), 'big')
  t.is(after, 4)
  for (let number = 0; number < after; number += 1) random.cloud.done(random.wish(big))
  t.is(promiseOf(random.cloud.view, random.cloud.context.now).state, 'kept')
  const verdict = random.cloud.judged(random.wish(big))
  t.true(isRefusal(verdict))
  if (!isRefusal(verdict)) return
  const { code, message, reasons, next } = verdict.refused
  t.is(code, 'capacity')
  t.regex(message, /none of 3 hosts can take it and keep the reserve/)
  t.regex(reasons[0]!, /^if h\d is lost, i\d \(2048 MiB\) could start nowhere: 0 MiB are left/)
  t.is(next[0], 'remuda capacity')
})

test('a host that is thought away leaves its instances to others, one thought up is empty', t => {
  const random = three({ reserveHosts: 0 })
  for (let number = 0; number < 3; number += 1) random.cloud.done(random.wish(big))
  t.like(left(outlook(random), 'big'), { now: 3, after: 1 })
  t.like(left(outlook(random, { ...nothing, without: ['h1'] }), 'big'), { now: 1 })
  const more = { ...nothing, with: [{ count: 2, like: 'h1' }] }
  t.like(left(outlook(random, more), 'big'), { now: 7, after: 5 })
  const { view, context } = random.cloud
  const unknown = imagined(view, { ...nothing, without: ['h9'] }, context.now)
  t.true(isRefusal(unknown))
  const full = imagined(view, { ...nothing, without: ['h0', 'h1'] }, context.now)
  t.is(isRefusal(full) ? undefined : full.stranded.length, 1)
})

test('what was there before the reserve was raised is left alone, and the promise is told', t => {
  const random = three({ reserveHosts: 0 })
  for (let number = 0; number < 6; number += 1) random.cloud.done(random.wish(big))
  random.heal({ reserveHosts: 1 })
  const { view, context } = random.cloud
  const { state, strandings } = promiseOf(view, context.now)
  t.is(state, 'broken')
  t.is(strandings.length, 3)
  t.regex(strandingSentence(strandings[0]!), /^if h0 is lost, .*, 4096 MiB in all, could start/)
  const one = random.instance(0)!
  random.cloud.done({ verb: 'power', id: one.id, power: 'stopped' })
  t.true(
    isRefusal(random.cloud.judged({ verb: 'power', id: one.id, power: 'running' })),
    'it would take the room in which another could start'
  )
  const small = { ...big, memoryMib: 128, highlyAvailable: false, pool: 'local' } as const
  t.false(isRefusal(random.cloud.judged(random.wish({ ...small, desiredPower: 'stopped' }))))
})

test('a host is not closed while a loss would need it; open again it may always be', t => {
  const random = three()
  for (let number = 0; number < 3; number += 1) random.cloud.done(random.wish(big))
  const close = (at: number, schedulable = false) => {
    const { id, labels, spec } = random.hostAt(at)
    return { verb: 'change', kind: 'host', id, labels, spec: { ...spec, schedulable } } as const
  }
  t.false(isRefusal(random.cloud.judged(close(0))), 'two others have room for one more each')
  random.cloud.done(random.wish(big))
  const { indexes } = random.cloud.view
  const alone = [0, 1, 2].find(at => indexes.of('host-instances', `h${at}`).size === 1)!
  const verdict = random.cloud.judged(close(alone))
  t.true(isRefusal(verdict), 'another one has two, for which one host is left with room for one')
  if (!isRefusal(verdict)) return
  const { message, reasons } = verdict.refused
  t.is(
    message,
    `cannot change host h${alone}: the room that is kept for the loss of any 1 host would be gone`
  )
  t.regex(reasons[0]!, /^if h\d is lost, i\d \(2048 MiB\) could start nowhere/)
  random.heal({})
  random.cloud.done(close(alone))
  random.heal({ reserveHosts: 1 })
  random.cloud.done(close(alone, true))
})

test('a host is not emptied if what it leaves behind could not bear a loss', t => {
  const random = three()
  for (let number = 0; number < 2; number += 1) random.cloud.done(random.wish(big))
  const drain = (at: number) =>
    ({ verb: 'drain', id: random.hostAt(at).id, parallel: 1, cold: true }) as const
  t.false(isRefusal(random.cloud.judged(drain(0))), 'each of two hosts could carry both')
  random.cloud.done(random.wish(big))
  const verdict = random.cloud.judged(drain(0))
  t.true(isRefusal(verdict))
  if (!isRefusal(verdict)) return
  t.regex(verdict.refused.message, /^cannot drain host h0: the room that is kept for the loss of/)
})

test('a move without a named host goes to one that keeps the promise', t => {
  const random = three()
  for (let number = 0; number < 2; number += 1) random.cloud.done(random.wish(big))
  const { id } = random.instance(0)!
  const { resource } = random.cloud.done({ verb: 'move', id, live: false })
  t.truthy((resource as { decided: { moving?: object } }).decided.moving)
  t.is(promiseOf(random.cloud.view, random.cloud.context.now).state, 'kept')
})

test('the loss of a host that takes nobody in counts as well', t => {
  const random = new RandomCloud([{ ...plain, memoryMib: 8_704 }, plain, plain], {
    reserveHosts: 1
  })
  const spec = { vcpus: 1, memoryMib: 2_048 }
  random.cloud.done({ verb: 'create', kind: 'size', name: 'big', spec })
  random.heal({})
  for (let number = 0; number < 4; number += 1) {
    const { resource } = random.cloud.done(random.wish(big))
    const one = random.cloud.view.get('instance', resource.id)!
    random.put({ ...one, decided: { ...one.decided, host: 'h0' } })
  }
  const { id, labels, spec: wish } = random.hostAt(0)
  const closed = { ...wish, schedulable: false }
  random.cloud.done({ verb: 'change', kind: 'host', id, labels, spec: closed })
  random.heal({ reserveHosts: 1 })
  const look = outlook(random)
  t.like(left(look, 'big'), { now: 4, after: 0, worst: ['h0'] })
  t.true(look.exact)
  t.true(isRefusal(random.cloud.judged(random.wish(big))), 'as is said')
})

test('all leave a host that is thought away, and who cannot is said to stay down with it', t => {
  const random = three({ reserveHosts: 0 })
  const on = (name: string, spec: object = {}) =>
    random.cloud.done(random.wish({ ...big, ...spec, host: name } as never))
  const soft = on('h0', { memoryMib: 3_072, highlyAvailable: false })
  on('h1', { memoryMib: 2_048 })
  on('h2', { memoryMib: 2_048 })
  on('h0', { memoryMib: 128, pool: 'local' })
  const { host: _, ...spec } = (soft.resource as Instance).spec
  random.put({ ...(soft.resource as Instance), spec })
  const { view, context } = random.cloud
  const thought = imagined(view, { ...nothing, without: ['h0'] }, context.now)
  if (isRefusal(thought)) return t.fail(JSON.stringify(thought.refused))
  t.deepEqual(thought.stranded, ['i1'])
  const because = 'it may run on h0 alone (spec.host)'
  t.deepEqual(thought.staying, [{ name: 'i4', host: 'h0', because }])
})

test('the promise is told of the hosts that are thought of', t => {
  const random = three()
  for (let number = 0; number < 4; number += 1) random.cloud.done(random.wish(big))
  const { view, context } = random.cloud
  const stateOf = (whatIf: Partial<WhatIf>) => {
    const thought = imagined(view, { ...nothing, ...whatIf }, context.now)
    if (isRefusal(thought)) throw new Error(JSON.stringify(thought.refused))
    return promiseOf(view, context.now, { ground: thought.ground })
  }
  t.is(stateOf({}).state, 'kept')
  const { state, strandings } = stateOf({ without: ['h0'] })
  t.is(state, 'broken')
  t.regex(strandingSentence(strandings[0]!), /^if h1 is lost, i\d \(2048 MiB\)/)
  t.is(stateOf({ without: ['h0'], with: [{ count: 1, like: 'h1' }] }).state, 'kept')
  t.is(promiseOf(view, context.now).state, 'kept', 'it was only a thought')
})

for (const [title, left, says] of [
  [
    'memory',
    { leftMostMib: 512, leftMostVcpus: 8 },
    /600 MiB are left, at most 512 MiB on one host/
  ],
  [
    'processors',
    { leftMostMib: 4_096, leftMostVcpus: 1 },
    /web needs 7 vcpus, at most 1 are left on/
  ],
  ['both', { leftMostMib: 512, leftMostVcpus: 1 }, /600 MiB are left, at most 512 MiB on one host/]
] as const) {
  test(`a loss that strands for want of ${title} says what is short`, t => {
    const stranded = [{ id: 'i-1', name: 'web', memoryMib: 1_024, vcpus: 7 }]
    t.regex(strandingSentence({ lost: ['h2'], stranded, leftMib: 600, ...left }), says)
  })
}

test('of a host that is thought away, groups are counted where their members would be', t => {
  const random = three({ reserveHosts: 0 })
  const apart = { group: 'g', rule: 'apart', level: 'host', hard: true, max: 1 } as const
  const member = { ...big, memoryMib: 512, affinity: [apart] }
  for (const host of ['h0', 'h1']) random.cloud.done(random.wish({ ...member, host } as never))
  const { view, context } = random.cloud
  const free = [...view.all('instance').values()].map(one => {
    const { host: _, ...spec } = one.spec
    return { op: 'put', resource: { ...one, spec } } as const
  })
  random.cloud.commit({ changes: free, decisions: [] })
  const thought = imagined(view, { ...nothing, without: ['h0'] }, context.now)
  if (isRefusal(thought)) return t.fail(JSON.stringify(thought.refused))
  t.deepEqual(thought.stranded, [])
  const { ground } = thought
  const [key = ''] = ground.rows.flatMap(row => row.evacuees.flatMap(({ groups }) => groups))
  t.deepEqual([...(ground.groups.of(key)?.hosts ?? [])].sort(), [
    ['h1', 1],
    ['h2', 1]
  ])
  // Both that are left have one: of a further host that is lost, its member has nowhere to go.
  const lost = ground.rows.findIndex(({ host }) => host.name === 'h2')
  t.is(planOf(ground, [lost]).stranded.length, 1)
  const before = view.indexes.groups.of(key)?.hosts
  t.deepEqual(
    [...(before ?? [])].sort(),
    [
      ['h0', 1],
      ['h1', 1]
    ],
    'it was only a thought'
  )
})
