import type { ExecutionContext } from 'ava'
import { Fault, type FaultCode } from '#shared/fault.ts'
import { partRefused } from '#shared/zookeeper/faults.ts'
import type { Operation } from '#shared/zookeeper/session.ts'
import { bytes, text, told, type ZooKeeperPromise } from './zookeeper.ts'

const create = (path: string, given = ''): Operation => ({
  op: 'create',
  path,
  bytes: bytes(given)
})

/** Checks that work is refused with this code, because of this part if one is given. */
async function refused(
  t: ExecutionContext,
  work: Promise<unknown>,
  expected: { readonly code: FaultCode; readonly part?: number }
): Promise<void> {
  const fault = await t.throwsAsync(work, { instanceOf: Fault })
  t.is(fault?.code, expected.code, fault?.message)
  if (expected.part !== undefined) t.is(partRefused(fault), expected.part)
}

/** Promises about znodes, when nothing goes wrong. */
export const znodePromises: readonly ZooKeeperPromise[] = [
  [
    'what was created is read with its stat, what was not is undefined',
    async (t, bed, root) => {
      await using session = await bed.open()
      const outcomes = await session.transact([create(`${root}/a`, 'one')])
      t.deepEqual(outcomes, [{ path: `${root}/a` }])
      const node = await session.read(`${root}/a`)
      t.is(text(node?.bytes), 'one')
      const { created, modified, ...rest } = node!.stat
      t.deepEqual(rest, { version: 0, childrenVersion: 0, owner: 0n, bytes: 3, children: 0 })
      t.is(typeof created, 'bigint')
      t.is(created, modified)
      t.is(await session.read(`${root}/b`), undefined)
      t.is(await session.children(`${root}/b`), undefined)
      t.deepEqual(await session.children(root), ['a'])
    }
  ],
  [
    'versions count from 0, and 0 is meant as such',
    async (t, bed, root) => {
      await using session = await bed.open()
      const path = `${root}/a`
      await session.transact([create(path)])
      await session.transact([{ op: 'check', path, version: 0 }])
      const outcomes = await session.transact([{ op: 'set', path, bytes: bytes('1'), version: 0 }])
      t.deepEqual(outcomes, [{ version: 1 }])
      for (const operation of [
        { op: 'check', path, version: 0 },
        { op: 'set', path, bytes: bytes('2'), version: 0 },
        { op: 'remove', path, version: 0 }
      ] as const) {
        await refused(t, session.transact([operation]), { code: 'stale', part: 0 })
      }
      t.deepEqual(
        await session.transact([{ op: 'set', path, bytes: bytes('2'), version: 'any' }]),
        [{ version: 2 }]
      )
      await session.transact([{ op: 'remove', path, version: 2 }])
      t.is(await session.read(path), undefined)
    }
  ],
  [
    'all parts of a transaction happen or none, and the first refused one is named',
    async (t, bed, root) => {
      await using session = await bed.open()
      const path = `${root}/a`
      await session.transact([create(path, 'old')])
      const set: Operation = { op: 'set', path, bytes: bytes('new'), version: 0 }
      const cases: readonly (readonly [Operation, FaultCode])[] = [
        [{ op: 'check', path: root, version: 9 }, 'stale'],
        [{ op: 'check', path: `${root}/none`, version: 'any' }, 'not-found'],
        [create(path), 'conflict'],
        [create(`${root}/none/below`), 'not-found'],
        [{ op: 'remove', path: root, version: 'any' }, 'conflict'],
        [{ op: 'remove', path: `${root}/none`, version: 'any' }, 'not-found'],
        [{ op: 'set', path, bytes: bytes('x'), version: 0 }, 'stale']
      ]
      for (const [bad, code] of cases) {
        await refused(t, session.transact([set, create(`${root}/b`), bad]), { code, part: 2 })
        t.is(text((await session.read(path))?.bytes), 'old')
        t.deepEqual(await session.children(root), ['a'])
      }
      const done = await session.transact([
        set,
        create(`${root}/b`),
        { op: 'remove', path: `${root}/b`, version: 'any' },
        { op: 'check', path, version: 1 }
      ])
      t.deepEqual(done, [{ version: 1 }, { path: `${root}/b` }, {}, {}])
    }
  ],
  [
    'transactions that are on their way together are carried out in the order of the calls',
    async (t, bed, root) => {
      await using session = await bed.open()
      await session.transact([create(`${root}/head`)])
      const settled = await Promise.allSettled(
        Array.from({ length: 20 }, (_, index) =>
          session.transact([
            { op: 'set', path: `${root}/head`, bytes: bytes(`${index}`), version: index },
            // Number 12 is there already, and all that follows needs the version that it left.
            create(`${root}/e-${index === 12 ? 5 : index}`)
          ])
        )
      )
      t.deepEqual(
        settled.map(({ status }) => status),
        Array.from({ length: 20 }, (_, index) => (index < 12 ? 'fulfilled' : 'rejected'))
      )
      t.is(text((await session.read(`${root}/head`))?.bytes), '11')
      t.is((await session.children(root))?.length, 13)
    }
  ],
  [
    'numbers of sequential znodes rise, and go with the session',
    async (t, bed, root) => {
      await using other = await bed.open()
      const session = await bed.open()
      const mode = 'ephemeral-sequential'
      const part = { op: 'create', path: `${root}/c-`, bytes: bytes(''), mode } as const
      const outcomes = await session.transact([part, part])
      t.deepEqual(outcomes, [{ path: `${root}/c-0000000000` }, { path: `${root}/c-0000000001` }])
      t.is((await session.read(outcomes[0]!.path!))?.stat.owner, BigInt(`0x${session.id}`))
      await refused(t, session.transact([create(`${outcomes[0]!.path}/below`)]), {
        code: 'invalid',
        part: 0
      })
      await session[Symbol.asyncDispose]()
      t.true(session.ended.aborted)
      await bed.until(async () => {
        await other.sync(root)
        return (await other.children(root))?.length === 0
      })
      const [third] = await other.transact([part])
      t.deepEqual(third, { path: `${root}/c-0000000002` })
    }
  ],
  [
    'another secret reaches nothing',
    async (t, bed, root) => {
      await using session = await bed.open()
      await using thief = await bed.open({ secret: 'thief:other' })
      const path = `${root}/a`
      await session.transact([create(path, 'mine')])
      await thief.sync(path)
      const code = 'forbidden'
      await refused(t, thief.read(path), { code })
      await refused(t, thief.children(path), { code })
      for (const operation of [
        { op: 'set', path, bytes: bytes('x'), version: 'any' },
        { op: 'remove', path, version: 'any' },
        { op: 'check', path, version: 0 },
        create(`${path}/b`)
      ] as const) {
        await refused(t, thief.transact([operation]), { code, part: 0 })
      }
      t.is(text((await session.read(path))?.bytes), 'mine')
    }
  ],
  [
    'a transaction that is too large, or has no parts, is refused and harms nothing',
    async (t, bed, root) => {
      await using session = await bed.open()
      const large = { op: 'create', path: `${root}/a`, bytes: new Uint8Array(768 * 1024) } as const
      await refused(t, session.transact([large]), { code: 'invalid' })
      await refused(t, session.transact([]), { code: 'invalid' })
      await session.transact([{ ...large, bytes: large.bytes.subarray(1024) }])
      t.is((await session.read(`${root}/a`))?.bytes.length, 767 * 1024)
    }
  ],
  [
    'a watch tells at once, and then of bytes, coming and going',
    async (t, bed, root) => {
      await using session = await bed.open()
      await using writer = await bed.open()
      const abort = new AbortController()
      const path = `${root}/a`
      const watch = session.watch(path, { signal: abort.signal })[Symbol.asyncIterator]()
      t.true(await told(bed, watch))
      for (const operation of [
        create(path, '0'),
        { op: 'set', path, bytes: bytes('1'), version: 0 },
        { op: 'remove', path, version: 1 },
        create(path, '2')
      ] as const) {
        const next = told(bed, watch)
        await writer.transact([operation])
        t.true(await next)
      }
      t.is(text((await session.read(path))?.bytes), '2')
      const last = told(bed, watch)
      abort.abort()
      t.false(await last, 'it ends with its signal')
    }
  ],
  [
    'a watch with children tells of those too',
    async (t, bed, root) => {
      await using session = await bed.open()
      await using writer = await bed.open()
      const { signal } = new AbortController()
      const watch = session.watch(root, { children: true, signal })[Symbol.asyncIterator]()
      t.true(await told(bed, watch))
      for (const operation of [
        create(`${root}/a`),
        { op: 'remove', path: `${root}/a`, version: 'any' }
      ] as const) {
        const next = told(bed, watch)
        await writer.transact([operation])
        t.true(await next)
      }
      const last = watch.next()
      await session[Symbol.asyncDispose]()
      await t.throwsAsync(last, { instanceOf: Fault }, 'a watch fails when the session ends')
    }
  ]
]
