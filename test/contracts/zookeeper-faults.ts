import { Fault } from '#shared/fault.ts'
import { mayHaveHappened } from '#shared/zookeeper/faults.ts'
import type { Operation } from '#shared/zookeeper/session.ts'
import { bytes, told, type ZooKeeperPromise } from './zookeeper.ts'

const create = (path: string): Operation => ({ op: 'create', path, bytes: bytes('') })

/** What a promise was rejected with. */
const thrownBy = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (thrown: unknown) => thrown
  )

/** Promises about connections that break, servers that are silent, and leases. */
export const faultPromises: readonly ZooKeeperPromise[] = [
  [
    'nothing waits for a connection: what is not sent is refused at once, and says so',
    async (t, bed, root) => {
      await using session = await bed.open()
      bed.cut(session)
      await bed.until(() => session.server() === undefined)
      for (const work of [
        session.transact([create(`${root}/a`)]),
        session.read(root),
        session.sync(root)
      ]) {
        const thrown = await thrownBy(work)
        t.is((thrown as Fault).code, 'unavailable')
        t.false(mayHaveHappened(thrown))
      }
      bed.heal(session)
      await bed.until(() => session.server() !== undefined)
      t.deepEqual(await session.children(root), [], 'nothing was sent later')
      t.false(session.ended.aborted, 'the session is the same')
    }
  ],
  [
    'a request whose reply is lost fails, although it has happened',
    async (t, bed, root) => {
      await using session = await bed.open()
      bed.loseReply(session)
      const thrown = await thrownBy(session.transact([create(`${root}/a`)]))
      t.is((thrown as Fault).code, 'unavailable')
      t.true(mayHaveHappened(thrown))
      await bed.until(() => session.server() !== undefined)
      // The server that answers now may not have heard yet of what another one has done.
      await session.sync(root)
      t.deepEqual(await session.children(root), ['a'])
    }
  ],
  [
    'a server that falls silent is left by a deadline, and all who wait are told',
    async (t, bed, root) => {
      await using session = await bed.open({ sessionMs: 12_000 })
      bed.hold(session)
      const works = Array.from({ length: 5 }, (_, index) =>
        thrownBy(session.transact([create(`${root}/${index}`)]))
      )
      let settled = 0
      for (const work of works) void work.then(() => settled++)
      await bed.until(() => settled === works.length)
      for (const work of works) t.true(mayHaveHappened(await work))
      t.is(session.server(), undefined)
      t.false(session.ended.aborted, 'the session has not run out yet')
      bed.release(session)
      await bed.until(() => session.server() !== undefined)
      t.not(await session.read(root), undefined)
    }
  ],
  [
    'a session that no server answers ends, and its ephemeral znodes go',
    async (t, bed, root) => {
      await using session = await bed.open({ sessionMs: 6_000 })
      await using other = await bed.open()
      const path = `${root}/e`
      await session.transact([{ op: 'create', path, bytes: bytes(''), mode: 'ephemeral' }])
      bed.cut(session)
      await bed.until(() => session.ended.aborted)
      t.is((session.ended.reason as Fault).code, 'unavailable')
      await bed.until(async () => (await other.read(path)) === undefined)
      const thrown = await thrownBy(session.read(root))
      t.is((thrown as Fault).code, 'closed')
      t.false(mayHaveHappened(thrown))
      bed.heal(session)
    }
  ],
  [
    'a lost connection loses no change: a watch tells when there is another',
    async (t, bed, root) => {
      await using session = await bed.open()
      await using writer = await bed.open()
      const { signal } = new AbortController()
      const watch = session.watch(root, { children: true, signal })[Symbol.asyncIterator]()
      t.true(await told(bed, watch))
      bed.cut(session)
      await bed.until(() => session.server() === undefined)
      await writer.transact([create(`${root}/a`)])
      const next = told(bed, watch)
      bed.heal(session)
      t.true(await next)
      await bed.until(async () => {
        await session.sync(root)
        return (await session.children(root))?.length === 1
      })
      t.pass()
    }
  ],
  [
    'a lease is held by what checks the proof, and renewed in the quiet',
    async (t, bed, root) => {
      await using session = await bed.open({ sessionMs: 12_000 })
      t.is(session.leaseUntil(), undefined)
      session.keepLease({ path: root, version: 0 })
      await bed.until(() => (session.leaseUntil() ?? 0) > bed.now())
      const first = session.leaseUntil()!
      t.true(first < bed.now() + session.timeoutMs)
      await bed.until(() => session.leaseUntil()! > first)
      bed.cut(session)
      const last = session.leaseUntil()!
      await bed.until(() => bed.now() > last || session.ended.aborted)
      t.is(session.leaseUntil(), last, 'nothing renews it without an answer')
      bed.heal(session)
    }
  ],
  [
    'a lease whose proof is refused ends the session',
    async (t, bed, root) => {
      await using session = await bed.open({ sessionMs: 12_000 })
      await using rival = await bed.open()
      session.keepLease({ path: root, version: 0 })
      await bed.until(() => session.leaseUntil() !== undefined)
      await rival.transact([{ op: 'set', path: root, bytes: bytes('2'), version: 0 }])
      await bed.until(() => session.ended.aborted)
      t.is((session.ended.reason as Fault).code, 'stale')
      const thrown = await thrownBy(session.transact([create(`${root}/a`)]))
      t.is((thrown as Fault).code, 'closed')
      t.deepEqual(await rival.children(root), [])
    }
  ],
  [
    'who raises the proof takes the lease along, and a refused commit of the deposed ends it',
    async (t, bed, root) => {
      await using session = await bed.open({ sessionMs: 12_000 })
      session.keepLease({ path: root, version: 0 })
      for (let version = 0; version < 5; version++) {
        const raise = { op: 'set', path: root, bytes: bytes(`${version}`), version } as const
        t.deepEqual(await session.transact([raise]), [{ version: version + 1 }])
      }
      const before = session.leaseUntil()!
      await bed.until(() => session.leaseUntil()! > before)
      t.false(session.ended.aborted)
      await using rival = await bed.open()
      await rival.transact([{ op: 'set', path: root, bytes: bytes('r'), version: 5 }])
      const thrown = await thrownBy(
        session.transact([{ op: 'check', path: root, version: 5 }, create(`${root}/a`)])
      )
      t.true(thrown instanceof Fault)
      await bed.until(() => session.ended.aborted)
      t.deepEqual(await rival.children(root), [])
    }
  ]
]
