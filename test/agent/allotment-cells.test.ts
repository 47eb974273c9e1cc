/** Which NUMA cell an instance is started in. */
import test from 'ava'
import fc from 'fast-check'
import { ModelWorld } from './model-world.ts'
import { host, idOf, instance, order } from './samples.ts'

/** A VM without volumes and ports, so that nothing but a cell can be missing. */
const fitting = (number: number, memoryMib: number, given: object = {}) =>
  instance({
    ...{ id: idOf('i', number), name: `vm-${number}`, volumes: [], ports: [], vcpus: 1 },
    ...{ memoryMib, fit: { memoryMib } },
    ...given
  })

const terms = { reservedMib: 0, vcpusPerThread: 1 }
function worldOf(
  cells: readonly number[],
  instances: readonly ReturnType<typeof fitting>[],
  threads = 8
): ModelWorld {
  const given = { instances: [...instances], volumes: [], images: [], networks: [] }
  const world = new ModelWorld(order({ ...given, cellTerms: terms }))
  const numa = cells.map((memoryMib, index) => ({
    ...{ index, memoryMib },
    threads: Array.from({ length: threads }, (_, at) => index * threads + at)
  }))
  const memoryMib = cells.reduce((sum, mib) => sum + mib, 0)
  world.host = host({ cells: { numa, memoryMib, hugepages: [] } })
  return world
}

const seats = (world: ModelWorld): readonly (readonly [string, number | undefined])[] =>
  world.domains.map(({ name, cell }) => [name.replace('acme.', ''), cell] as const).toSorted()
const said = (world: ModelWorld, at: number): string => {
  const { reason, message } = world.look().verdicts.instances[at]!
  return `${reason}: ${message}`
}

type Row = {
  readonly title: string
  readonly cells: readonly number[]
  readonly sizes: readonly number[]
  readonly seats: readonly number[]
}
const rows: readonly Row[] = [
  { title: 'the fullest cell that has room is taken', cells: [8, 6], sizes: [5], seats: [1] },
  { title: 'the largest is seated first', cells: [8, 4], sizes: [4, 8], seats: [1, 0] },
  {
    title: 'where the fullest cell would leave one over, another way is found',
    cells: [10, 9],
    sizes: [5, 5, 3, 3, 3],
    seats: [0, 0, 1, 1, 1]
  }
]
for (const { title, cells, sizes, seats: expected } of rows) {
  test(title, t => {
    const world = worldOf(
      cells,
      sizes.map((size, at) => fitting(at + 1, size))
    )
    world.run()
    t.deepEqual(
      seats(world),
      expected.map((cell, at) => [`vm-${at + 1}`, cell] as const)
    )
    t.true(world.look().settled)
  })
}

test('its processors are those of the cell', t => {
  const world = worldOf([8, 8], [fitting(1, 4)], 2)
  const starts: unknown[] = []
  world.onStep = step => {
    if (step.type === 'create-domain') starts.push(step.plan.cell)
  }
  world.run()
  t.deepEqual(starts, [{ index: 0, threads: [0, 1] }])
})

test('those that run stay, and who finds no cell says what there is', t => {
  const world = worldOf([8, 8], [fitting(1, 5)])
  world.run()
  const more = [fitting(1, 5), fitting(2, 5), fitting(3, 5, { priority: 900 }), fitting(4, 3)]
  world.take(order({ ...world.order, instances: more, generation: 2 }))
  world.run()
  t.deepEqual(seats(world), [
    ['vm-1', 0],
    ['vm-3', 1],
    ['vm-4', 0]
  ])
  t.is(
    said(world, 1),
    'no-cell: cannot start: needs 5 MiB and 1 vcpu in one NUMA cell; ' +
      'cell 1 has the most left, 3 MiB and 7 vcpus'
  )
})

test('processors run out as memory does', t => {
  const world = worldOf([8, 8], [fitting(1, 2, { vcpus: 3 }), fitting(2, 2, { vcpus: 2 })], 4)
  world.run()
  t.deepEqual(seats(world), [
    ['vm-1', 0],
    ['vm-2', 1]
  ])
})

test('what was packed once is packed again after a boot, and no cell is overfilled', t => {
  const cell = fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 4 })
  fc.assert(
    fc.property(fc.array(cell, { minLength: 1, maxLength: 4 }), fc.nat(3), (packed, spare) => {
      const cells = packed.map(sizes => sizes.reduce((sum, one) => sum + one, spare))
      const sizes = packed.flat()
      const world = worldOf(
        cells,
        sizes.map((size, at) => fitting(at + 1, size)),
        64
      )
      world.run()
      const taken = cells.map(() => 0)
      for (const { cell, memoryMib } of world.domains) taken[cell!]! += memoryMib
      if (taken.some((mib, index) => mib > cells[index]!)) return false
      return world.domains.length === sizes.length
    })
  )
  t.pass()
})
