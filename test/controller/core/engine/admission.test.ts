import test from 'ava'
import fc from 'fast-check'
import {
  Admission,
  type AdmissionRules,
  type Asked
} from '../../../../controller/core/engine/admission.ts'
import type { Problem } from '../../../../controller/core/engine/problem.ts'
import { problems } from './problems.ts'

const groupsMost = 6
const asked: fc.Arbitrary<Asked> = fc.record({
  amounts: fc.tuple(
    fc.constantFrom(1, 2, 4, 8, 16, 32),
    fc.constantFrom(1, 2, 4),
    fc.constantFrom(10, 20, 80)
  ),
  groups: fc.uniqueArray(fc.nat(groupsMost - 1), { maxLength: 2 }),
  kind: fc.nat(1)
})

type Step =
  | { readonly type: 'one'; readonly asked: Asked }
  | { readonly type: 'many'; readonly asked: readonly Asked[]; readonly whole: boolean }
  | { readonly type: 'go'; readonly which: number }

const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ type: fc.constant('one' as const), asked }) },
    {
      weight: 1,
      arbitrary: fc.record({
        type: fc.constant('many' as const),
        asked: fc.array(asked, { maxLength: 6 }),
        whole: fc.boolean()
      })
    },
    { weight: 3, arbitrary: fc.record({ type: fc.constant('go' as const), which: fc.nat(1000) }) }
  ),
  { maxLength: 40 }
)

const orders = fc.constantFrom('level' as const, 'pack' as const)
/** Hosts alone, racks as well, or no loss at all. */
const sorts = fc.constantFrom('hosts' as const, 'racks' as const, 'none' as const)

test('whoever comes and goes, each loss has a plan that all hosts have room for', t => {
  fc.assert(
    fc.property(problems, steps, orders, sorts, (problem, moves, order, sort) => {
      const { admission, rules } = admissionOf(problem, order, sort)
      const stranded = admission.refuges.map(({ stranded }) => new Set(stranded))
      t.deepEqual(faultsIn(admission, rules, stranded), [])
      const present = new Set(Array.from(problem.first.length ? problem.first : [], (_, at) => at))
      for (const step of moves) {
        play({ admission, rules, present, step, stranded, fault: says => t.fail(says) })
        t.deepEqual(faultsIn(admission, rules, stranded), [])
      }
    })
  )
})

test('the same steps give the same seats and the same plans', t => {
  fc.assert(
    fc.property(problems, steps, orders, sorts, (problem, moves, order, sort) => {
      const [one, other] = [0, 1].map(() => {
        const { admission, rules } = admissionOf(problem, order, sort)
        const present = new Set(Array.from(problem.first, (_, at) => at))
        const stranded = admission.refuges.map(() => new Set<number>())
        for (const step of moves) {
          play({ admission, rules, present, step, stranded, fault: () => undefined })
        }
        const plans = admission.refuges.map(({ refuge }) => Array.from(refuge))
        return [Array.from(admission.layout.first), plans]
      })
      t.deepEqual(one, other)
    })
  )
})

test('of equal empty hosts all but one are filled to the last', t => {
  // As hspace does with 192 GiB and 40 GiB disks: 23 of 8 GiB a host, nine hosts of ten.
  for (const order of ['pack', 'level'] as const) {
    const admission = new Admission(equalHosts(10, 192), {
      ...{ places: 400, order },
      losses: [hostsAlone(10)]
    })
    const answers = Array.from({ length: 208 }, () => admission.admit({ amounts: [8, 0] }))
    t.is(answers.filter(({ host }) => host >= 0).length, 207, order)
    t.deepEqual(answers.at(-1), { host: -1, because: 'reserve' })
  }
})

test('says whether room is missing or only the reserve speaks against it', t => {
  const admission = new Admission(equalHosts(3, 16), {
    ...{ places: 20, order: 'pack' },
    losses: [hostsAlone(3)]
  })
  t.deepEqual(admission.admit({ amounts: [16, 0] }), { host: -1, because: 'room' })
  t.is(admission.admit({ amounts: [15, 0] }).host, 0)
  t.is(admission.admit({ amounts: [15, 0] }).host, 2)
  t.deepEqual(admission.admit({ amounts: [4, 0] }), { host: -1, because: 'reserve' })
})

test('a whole rack may be lost where racks are kept for', t => {
  const racks = [0, 0, 1, 1]
  const admission = new Admission(equalHosts(4, 9), {
    ...{ places: 40, order: 'pack' },
    losses: [hostsAlone(4), racks]
  })
  const answers = Array.from({ length: 40 }, () => admission.admit({ amounts: [4, 0] }))
  t.is(answers.filter(({ host }) => host >= 0).length, 4)
})

test('many at once come in together or not at all', t => {
  const admission = new Admission(equalHosts(3, 17), {
    ...{ places: 40, order: 'pack' },
    losses: [hostsAlone(3)]
  })
  const wishes = [4, 8, 4, 8, 8].map(memory => ({ amounts: [memory, 0] }))
  t.true(admission.admitAll(wishes, { whole: true }).every(({ host }) => host >= 0))
  const more = admission.admitAll([{ amounts: [1, 0] }, { amounts: [1, 0] }], { whole: true })
  t.deepEqual(
    more,
    [0, 1].map(() => ({ host: -1, because: 'reserve' }) as const)
  )
  t.is(Array.from(admission.layout.first).filter(host => host >= 0).length, 5)
})

const hostsAlone = (count: number): readonly number[] =>
  Array.from({ length: count }, (_, host) => host)

/** Memory, of which a host takes one itself, and processors in plenty. */
function equalHosts(count: number, memory: number): Problem {
  const each = (value: number) => Array.from({ length: count }, () => value)
  const plain = { weight: 1, both: false, amount: [] }
  return {
    ...{ open: each(1), first: [], second: [], pair: [], fixed: [], groups: [], levels: [] },
    dimensions: [
      {
        ...{ ...plain, name: 'memory', hard: true, capacity: each(memory) },
        ...{ taken: each(1), limit: each(memory) }
      },
      {
        ...{ ...plain, name: 'cpus', hard: false, capacity: each(24) },
        ...{ taken: each(0), limit: each(96) }
      }
    ],
    closedSeatWeight: 4,
    closedFirstWeight: 16
  }
}

type Sort = 'hosts' | 'racks' | 'none'

function admissionOf(problem: Problem, order: 'level' | 'pack', sort: Sort) {
  const hosts = problem.open.length
  const racks = Array.from(problem.levels[1]!.domain, (rack, host) => (rack < 0 ? 3 + host : rack))
  const rules: AdmissionRules = {
    ...{ places: problem.first.length + 60, groups: groupsMost, order },
    kinds: [hostsAlone(hosts).map(() => 1), hostsAlone(hosts).map(host => Number(host % 3 !== 0))],
    losses: sort === 'none' ? [] : [hostsAlone(hosts), ...(sort === 'racks' ? [racks] : [])]
  }
  return { admission: new Admission(problem, rules), rules }
}

type Play = {
  readonly admission: Admission
  readonly rules: AdmissionRules
  readonly present: Set<number>
  readonly step: Step
  readonly stranded: readonly Set<number>[]
  readonly fault: (says: string) => void
}

function play({ admission, rules, present, step, stranded, fault }: Play): void {
  if (step.type === 'go') {
    const place = [...present][step.which % Math.max(1, present.size)]
    if (place === undefined) return
    present.delete(place)
    for (const each of stranded) each.delete(place)
    admission.remove(place)
    return
  }
  const before = Array.from(admission.layout.first)
  const answers =
    step.type === 'one'
      ? [admission.admit(step.asked)]
      : admission.admitAll(step.asked, { whole: step.whole })
  const wishes = step.type === 'one' ? [step.asked] : step.asked
  for (const [at, answer] of answers.entries()) {
    if ('place' in answer) {
      present.add(answer.place)
      for (const says of wrongWith({ admission, rules, place: answer.place, wish: wishes[at]! })) {
        fault(says)
      }
    } else if (step.type === 'one') {
      const could = couldTake(admission, rules, wishes[at]!)
      if (could !== (answer.because === 'reserve')) fault(`${answer.because}, but it is not so`)
    }
  }
  const isWhole = answers.every(({ host }) => host >= 0)
  if (step.type === 'many' && step.whole && !isWhole) {
    if (answers.some(({ host }) => host >= 0)) fault('some came in')
    const after = Array.from(admission.layout.first)
    if (after.some((host, place) => host !== before[place])) fault('not all is as it was')
  }
}

/** What is wrong with the seat of a newcomer, and with where it would start. */
function wrongWith(given: {
  readonly admission: Admission
  readonly rules: AdmissionRules
  readonly place: number
  readonly wish: Asked
}): readonly string[] {
  const { place, wish, rules } = given
  const { layout, refuges } = given.admission
  const host = layout.first[place]!
  const faults: string[] = []
  const kind = rules.kinds![wish.kind ?? 0]!
  if (kind[host] !== 1) faults.push(`${host} does not take its kind`)
  for (const { refuge } of refuges) {
    if (kind[refuge[place]!] !== 1) faults.push(`it would start at ${refuge[place]}`)
  }
  for (let d = 0; d < layout.dimensions; d += 1) {
    const cell = host * layout.dimensions + d
    if (layout.used[cell]! > layout.limit[cell]!) faults.push(`${host} is too full in ${d}`)
  }
  const groups = wish.groups ?? []
  const beside = placesIn(layout).find(
    other =>
      other !== place &&
      layout.first[other] === host &&
      layout.problem.groups[other]!.some(group => groups.includes(group))
  )
  if (beside !== undefined) faults.push(`it is beside ${beside} of its group`)
  return faults
}

/** Whether any host has room for a wish, if it kept nothing. */
function couldTake({ layout }: Admission, rules: AdmissionRules, wish: Asked): boolean {
  return hostsAlone(layout.hosts).some(host => {
    if (layout.open[host] === 0 || rules.kinds![wish.kind ?? 0]![host] !== 1) return false
    for (let d = 0; d < layout.dimensions; d += 1) {
      const cell = host * layout.dimensions + d
      if (layout.used[cell]! + wish.amounts[d]! > layout.limit[cell]!) return false
    }
    return (wish.groups ?? []).every(group =>
      placesIn(layout).every(
        other => !layout.problem.groups[other]!.includes(group) || layout.first[other] !== host
      )
    )
  })
}

const placesIn = (layout: Admission['layout']): readonly number[] =>
  hostsAlone(layout.demands).filter(place => layout.first[place]! >= 0)

/** What is wrong, reckoned from nothing but who sits where and would start where. */
function faultsIn(
  { layout, refuges }: Admission,
  rules: AdmissionRules,
  strandedAtFirst: readonly ReadonlySet<number>[]
): readonly string[] {
  const faults: string[] = []
  const { dimensions, amount, first, second, problem } = layout
  const sharesGroup = (a: number, b: number) =>
    problem.groups[a]!.some(group => problem.groups[b]!.includes(group))
  for (const [sort, { refuge, stranded, kept, held }] of refuges.entries()) {
    const lossOf = rules.losses[sort]!
    const most = new Float64Array(kept.length)
    for (const loss of new Set(Array.from(lossOf))) {
      const leaving = placesIn(layout).filter(place => lossOf[first[place]!] === loss)
      const coming = new Float64Array(kept.length)
      for (const place of leaving) {
        const host = refuge[place]!
        if (host < 0) {
          if (!stranded.has(place)) faults.push(`${place} is nowhere, and not stranded`)
          if (!strandedAtFirst[sort]!.has(place)) faults.push(`${place} has become stranded`)
          continue
        }
        if (lossOf[host] === loss) faults.push(`${place} would start where all is lost`)
        if (layout.open[host] === 0) faults.push(`${place} would start on a closed host`)
        if (second[place]! >= 0 && second[place] !== host) faults.push(`${place} has its copy left`)
        for (const [k, d] of held.entries()) {
          if (second[place] === host && layout.both[d] === 1) continue
          coming[host * held.length + k]! += amount[place * dimensions + d]!
        }
        if (second[place]! >= 0) continue
        const near = placesIn(layout).find(other => {
          if (other === place || !sharesGroup(place, other)) return false
          return (lossOf[first[other]!] === loss ? refuge[other] : first[other]) === host
        })
        if (near !== undefined) faults.push(`${place} would start beside ${near} of its group`)
      }
      for (const [cell, sum] of coming.entries()) {
        const host = Math.floor(cell / held.length)
        const own = host * dimensions + held[cell % held.length]!
        most[cell] = Math.max(most[cell]!, sum)
        if (sum > 0 && layout.used[own]! + sum > layout.limit[own]!) {
          faults.push(`${host} has no room in ${cell % held.length} when ${loss} is lost`)
        }
      }
    }
    if (most.some((sum, cell) => sum !== kept[cell])) faults.push('what is kept is not the most')
  }
  return faults
}
