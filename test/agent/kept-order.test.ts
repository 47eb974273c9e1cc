import { mkdir, mkdtemp, readdir, readFile, rm, rmdir, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { makeLog, silentLog } from '#shared/log.ts'
import { nothingSeen } from '../../agent/core/acceptance.ts'
import { KeptOrder } from '../../agent/io/kept-order.ts'
import { idOf, order } from './samples.ts'

async function makeFolder(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'remuda-kept-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}
const keeper = (folder: string, bootId = 'boot-1') =>
  new KeptOrder({ folder, bootId, log: silentLog })

test('without any files nothing has been seen', async t => {
  t.deepEqual(await keeper(await makeFolder(t)).recall(), {
    seen: nothingSeen,
    order: undefined,
    origin: 'fresh',
    marks: {}
  })
})

test('an order comes back whole, with what was seen and the boot that it is from', async t => {
  const folder = await makeFolder(t)
  const given = order({ epoch: 3, generation: 12 })
  await keeper(folder).keepOrder(given)
  const same = await keeper(folder).recall()
  t.deepEqual(same.order, given)
  t.is(same.origin, 'same-boot')
  t.deepEqual(same.seen, { cloud: given.cloud, epoch: 3, generation: 12 })
  t.is((await keeper(folder, 'boot-2').recall()).origin, 'other-boot')
})

test('an order of an earlier boot is of this one once it has come again', async t => {
  const folder = await makeFolder(t)
  await keeper(folder).keepOrder(order())
  const next = keeper(folder, 'boot-2')
  await next.recall()
  await next.keepOrder(order())
  t.is((await keeper(folder, 'boot-2').recall()).origin, 'same-boot')
})

test('only its owner may read what is kept', async t => {
  const folder = await makeFolder(t)
  await keeper(folder).keepOrder(order())
  await keeper(folder).keepMarks({ [idOf('i', 1)]: { restarts: 0, state: 'done' } })
  for (const name of await readdir(folder)) {
    t.is((await stat(join(folder, name))).mode & 0o777, 0o600)
  }
})

test('an order that differs only in what notices are kept is not written again', async t => {
  const folder = await makeFolder(t)
  const kept = keeper(folder)
  await kept.keepOrder(order({ noticesKept: 1 }))
  const before = await readFile(join(folder, 'order.json'), 'utf8')
  await kept.keepOrder(order({ noticesKept: 2 }))
  t.is(await readFile(join(folder, 'order.json'), 'utf8'), before)
})

test('marks come back', async t => {
  const folder = await makeFolder(t)
  const marks = { [idOf('i', 1)]: { restarts: 2, state: 'running' as const } }
  await keeper(folder).keepMarks(marks)
  t.deepEqual((await keeper(folder).recall()).marks, marks)
})

for (const [what, text] of [
  ['torn', '{"version":1,"bootId":"b","order":{"typ'],
  ['empty', ''],
  ['of another kind', '{"version":1,"bootId":"b","order":{"type":"report"}}'],
  ['of a later version', '{"version":2}']
] as const) {
  test(`a file that is ${what} is put aside and said loudly`, async t => {
    const folder = await makeFolder(t)
    const path = join(folder, 'order.json')
    await writeFile(path, text)
    const lines: string[] = []
    const log = makeLog('agent', { write: line => void lines.push(line) })
    const recalled = await new KeptOrder({ folder, bootId: 'b', log }).recall()
    t.is(recalled.order, undefined)
    t.deepEqual((await readdir(folder)).sort(), ['order.json.unusable', 'seen.json'])
    t.regex(lines[0] ?? '', /"level":"error".*kept file cannot be used/)
  })
}

test('a write that fails says so, and leaves the earlier order as it was', async t => {
  const folder = await makeFolder(t)
  const kept = keeper(folder)
  await kept.keepOrder(order())
  await rm(folder, { recursive: true })
  await t.throwsAsync(kept.keepOrder(order({ generation: 2 })), { code: 'storage' })
})

test('what was seen outlives an order that could not be kept', async t => {
  const folder = await makeFolder(t)
  const first = order({ epoch: 3, generation: 12 })
  const { cloud } = first
  await keeper(folder).keepOrder(first)
  const kept = keeper(folder)
  await kept.recall()
  await mkdir(join(folder, 'order.json.new'))
  for (const [epoch, generation] of [
    [4, 7],
    [4, 9]
  ] as const) {
    await t.throwsAsync(kept.keepOrder(order({ epoch, generation })), { code: 'storage' })
    const { seen, order: recalled } = await keeper(folder).recall()
    t.deepEqual(seen, { cloud, epoch, generation })
    t.deepEqual(recalled, first, 'it goes on by the order that it has')
  }
  await rmdir(join(folder, 'order.json.new'))
  await kept.keepOrder(order({ epoch: 4, generation: 10 }))
  t.deepEqual((await keeper(folder).recall()).seen, { cloud, epoch: 4, generation: 10 })
})

test('what was seen of another cloud, or is torn, counts for nothing beside an order', async t => {
  const folder = await makeFolder(t)
  const first = order({ epoch: 3, generation: 12 })
  const { cloud } = first
  await keeper(folder).keepOrder(first)
  const other = { version: 1, cloud: 'another', epoch: 9, generation: 1 }
  for (const text of [JSON.stringify(other), '{"version":1,"clou']) {
    await writeFile(join(folder, 'seen.json'), text)
    t.deepEqual((await keeper(folder).recall()).seen, { cloud, epoch: 3, generation: 12 })
  }
})
