/**
 * The thread of a session: the connections and the lease, so that a busy main thread neither loses
 * a good lease nor is it needed to keep one. A main thread that does not turn at all for long is
 * another matter: it leads no more, so its session is given up and somebody else can.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { Fault } from '../fault.ts'
import type { Level } from '../log.ts'
import { type Answer, SessionClient } from './client.ts'
import {
  type Commission,
  type FromWorker,
  kernelMs,
  packFault,
  readMoment,
  slots,
  type ToWorker,
  writeMoment
} from './mail.ts'
import type { ZnodeEvent } from './packets.ts'

const commission = workerData as Commission
const { hungMs } = commission
const moments = new BigInt64Array(commission.shared)
const post = (mail: FromWorker, handOver: readonly ArrayBuffer[] = []) =>
  parentPort!.postMessage(mail, handOver)

const logAt =
  (level: Level) =>
  (message: string, fields: Readonly<Record<string, unknown>> = {}) =>
    post({ type: 'log', level, message, fields })

// What comes in one turn goes in one piece.
const replies: { readonly id: number; readonly frame: Buffer }[] = []
const changed = new Map<string, ZnodeEvent>()
let isDue = false

const client = new SessionClient({
  servers: commission.servers,
  sessionMs: commission.sessionMs,
  secret: commission.secret,
  tls: commission.tls,
  random: Math.random,
  now: kernelMs,
  log: { debug: logAt('debug'), info: logAt('info'), warn: logAt('warn'), error: logAt('error') },
  heard: {
    changed: event => {
      changed.set(`${event.what} ${event.path}`, event)
      soon()
    },
    missed: () => post({ type: 'missed' }),
    server: server => post({ type: 'server', server }),
    lease: until => writeMoment(moments, slots.leaseUntil, until),
    ended: because => {
      flush()
      post({ type: 'ended', fault: packFault(because) })
    }
  }
})

function soon(): void {
  if (isDue) return
  isDue = true
  queueMicrotask(flush)
}

function flush(): void {
  isDue = false
  if (changed.size > 0) {
    post({ type: 'changed', events: [...changed.values()] })
    changed.clear()
  }
  if (replies.length === 0) return
  const total = replies.reduce((sum, { frame }) => sum + frame.length, 0)
  const bytes = Buffer.from(new ArrayBuffer(total))
  const ends: number[] = []
  let at = 0
  for (const { frame } of replies) {
    at += frame.copy(bytes, at)
    ends.push(at)
  }
  const ids = replies.map(({ id }) => id)
  replies.length = 0
  post({ type: 'replies', ids, ends, bytes: bytes.buffer }, [bytes.buffer])
}

function answered(id: number, answer: Answer): void {
  if ('frame' in answer) {
    replies.push({ id, frame: answer.frame })
    soon()
    return
  }
  // What was answered before is told before.
  flush()
  post({ type: 'refusals', ids: [id], fault: packFault(answer.because) })
}

parentPort!.on('message', (mail: ToWorker) => {
  switch (mail.type) {
    case 'request': {
      const frame = Buffer.from(mail.frame)
      client.request(frame, mail.marks, answer => answered(mail.id, answer))
      return
    }
    case 'watch':
      client.watch(mail.path)
      return
    case 'unwatch':
      client.unwatch(mail.path)
      return
    case 'proof':
      client.keepLease(mail.proof)
      return
    case 'close':
      void client.close().then(() => process.exit())
      return
    default:
      mail satisfies never
  }
})

const watching = setInterval(() => {
  const turnedAt = readMoment(moments, slots.turnedAt)
  if (turnedAt === undefined || kernelMs() < turnedAt + hungMs) return
  clearInterval(watching)
  const why = `the main thread has not turned for ${hungMs} ms`
  void client.close(new Fault('unavailable', `cannot keep the session: ${why}`))
}, hungMs / 10)

try {
  post({ type: 'opened', ...(await client.open()) })
} catch (thrown) {
  if (!(thrown instanceof Fault)) throw thrown
  post({ type: 'failed', fault: packFault(thrown) })
  process.exit()
}
