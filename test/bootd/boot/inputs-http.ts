/**
 * Throws requests that nobody honest sends at bootd's HTTP server, and looks that it lives, answers
 * others, and gives nothing away. By itself: `node test/bootd/boot/inputs-http.ts 100000 [SEED]`.
 */
import { connect } from 'node:net'
import { httpInput, random } from './boot-inputs.ts'
import { BootServer } from './boot-server.ts'
import { machine } from './plans.ts'

/** What came of it: how many inputs had an answer with which status; what is wrong, if anything. */
export type Outcome = {
  readonly statuses: Readonly<Record<string, number>>
  readonly faults: readonly string[]
}

const connectionsAtOnce = 48
/** One that waits for more of an input is not waited for. Unit: ms. */
const patienceMs = 2_000

/** Throws so many, from this seed. */
export async function throwHttp(count: number, seed: number): Promise<Outcome> {
  await using server = await BootServer.start({ bounds: { headMsMax: 500, requestMsMax: 1_000 } })
  const pick = random(seed)
  const port = Number(new URL(server.http.url).port)
  const secrets = [machine.secret!, server.plan.peerToken!]
  const statuses: Record<string, number> = {}
  const faults: string[] = []
  let left = count
  const one = async (from: string): Promise<void> => {
    while (left > 0) {
      left -= 1
      const input = httpInput(pick)
      const answer = await answerTo(input, port, from)
      for (const [, status = ''] of answer.matchAll(/^HTTP\/1\.1 (\d+)/gm)) {
        statuses[status] = (statuses[status] ?? 0) + 1
        if (status.startsWith('5'))
          faults.push(`${status} to ${JSON.stringify(input.toString('latin1'))}`)
      }
      const leak = secrets.find(secret => answer.includes(secret))
      if (leak !== undefined)
        faults.push(`${leak} given to ${JSON.stringify(input.toString('latin1'))}`)
    }
  }
  const froms = Array.from({ length: connectionsAtOnce }, (_, index) => `127.0.2.${index + 1}`)
  await Promise.all(froms.map(one))
  const asked = await server.ask('/boot.ipxe')
  if (asked.status !== 200) faults.push(`afterwards it answers ${asked.status}`)
  return { statuses, faults }
}

async function answerTo(input: Buffer, port: number, from: string): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, localAddress: from })
  socket.on('error', () => {})
  let answer = ''
  socket.on('data', chunk => {
    answer += chunk.toString('latin1')
  })
  socket.setTimeout(patienceMs, () => socket.destroy())
  const closed = new Promise(resolve => socket.once('close', resolve))
  // Nothing follows: what is not whole never will be.
  socket.end(input)
  await closed
  return answer
}

if (import.meta.main) {
  const [count = '100000', seed = '1'] = process.argv.slice(2)
  const { statuses, faults } = await throwHttp(Number(count), Number(seed))
  process.stdout.write(`${count} inputs from seed ${seed}: ${JSON.stringify(statuses)}\n`)
  for (const fault of faults.slice(0, 20)) process.stdout.write(`fault: ${fault}\n`)
  process.exitCode = faults.length === 0 ? 0 : 1
}
