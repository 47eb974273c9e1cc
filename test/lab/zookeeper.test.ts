import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { realClock } from '#shared/clock.ts'
import { silentLog } from '#shared/log.ts'
import { connectZooKeeper } from '#shared/zookeeper/connect.ts'
import type { ZooKeeperSession } from '#shared/zookeeper/session.ts'
import { suite, type ZooKeeperBed } from '../contracts/zookeeper.ts'
import { openRelay, type Relay } from './relay.ts'
import { startEnsemble, type ZooKeeperEnsemble } from './zookeeper-ensemble.ts'

const untilMsMax = 60_000
const secret = 'remuda:contract'
let ensemble: ZooKeeperEnsemble

test.before(async () => {
  ensemble = await startEnsemble()
})
test.after.always(() => ensemble?.[Symbol.asyncDispose]())

async function makeBed(): Promise<ZooKeeperBed> {
  const relays = new Map<ZooKeeperSession, Relay>()
  const sessions: ZooKeeperSession[] = []
  const relay = (session: ZooKeeperSession) => relays.get(session)!
  let count = 0
  return {
    open: async (options = {}) => {
      const between = await openRelay(ensemble.servers[count++ % ensemble.servers.length]!)
      const session = await connectZooKeeper({
        servers: [between.address],
        sessionMs: options.sessionMs ?? 12_000,
        secret: options.secret ?? secret,
        log: silentLog,
        clock: realClock
      })
      relays.set(session, between)
      sessions.push(session)
      return session
    },
    cut: session => relay(session).cut(),
    heal: session => relay(session).heal(),
    hold: session => relay(session).hold(),
    release: session => relay(session).release(),
    loseReply: session => relay(session).loseReply(),
    now: () => realClock.monotonic(),
    until: async condition => {
      const end = performance.now() + untilMsMax
      while (!(await condition())) {
        if (performance.now() > end) throw new Error(`it did not come about in ${untilMsMax} ms`)
        await sleep(20)
      }
    },
    [Symbol.asyncDispose]: async () => {
      for (const session of sessions) await session[Symbol.asyncDispose]()
      for (const between of relays.values()) await between[Symbol.asyncDispose]()
    }
  }
}

suite('real ensemble', makeBed, { serial: true })
