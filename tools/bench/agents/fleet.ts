/** A process full of simulated agents, told by its parent what to do; see fleet-handle.ts. */
import { setImmediate, setTimeout } from 'node:timers/promises'
import type { HostId } from '#shared/ids.ts'
import { BareAgent, packBare } from '../../../test/world/bare-mesh.ts'
import type { FleetAnswer, FleetRequest } from './fleet-handle.ts'
import { reportOf, runningInstance, SimulatedAgent } from './simulated-agent.ts'

/** Agents that are opened at once. */
const opening = 50
/** Agents that send before the event loop gets its turn. */
const sendersPerTurn = 64
/** How long all wait when none could send. Unit: ms. */
const restMs = 1

let agents: SimulatedAgent[] = []
let bare: BareAgent[] = []
let floods = false
const said = { agentRun: '00000000-0000-4000-8000-000000000000', number: 1, epoch: 1 }
const sample = reportOf('host-1' as HostId, { ...said, generation: 1 }, [runningInstance('i-1', 1)])
const payload = packBare({ ...sample, number: undefined })

async function open(request: Extract<FleetRequest, { do: 'open' }>): Promise<FleetAnswer> {
  const numbers = Array.from({ length: request.count }, (_, at) => request.first + at)
  for (let at = 0; at < numbers.length; at += opening) {
    const some = numbers.slice(at, at + opening)
    if (request.kind === 'bare') bare.push(...(await Promise.all(some.map(() => BareAgent.open()))))
    else {
      const hosts = some.map(number => `host-${number}` as HostId)
      agents.push(
        ...(await Promise.all(hosts.map(host => SimulatedAgent.open(host, request.admitted))))
      )
    }
  }
  return request.kind === 'bare'
    ? { peers: bare.map(({ peer }, at) => ({ ...peer, host: `host-${numbers[at]}` as HostId })) }
    : { peers: agents.map(({ peer }) => peer) }
}

/** All send whenever their last message has left; while none has, others have the processors. */
async function flood(): Promise<void> {
  while (floods) {
    let sent = 0
    for (const [at, agent] of agents.entries()) {
      if (agent.isIdle) {
        agent.report()
        sent += 1
      }
      if (at % sendersPerTurn === 0) await setImmediate()
    }
    for (const [at, agent] of bare.entries()) {
      if (await agent.send(payload as Buffer)) sent += 1
      if (at % sendersPerTurn === 0) await setImmediate()
    }
    await (sent === 0 ? setTimeout(restMs) : setImmediate())
  }
}

function received(): FleetAnswer {
  const orders = agents.reduce((sum, agent) => sum + agent.orders, 0)
  const frames = bare.reduce((sum, agent) => sum + agent.received, 0)
  const generations = agents.map(({ generation }) => generation)
  return { received: orders + frames, lowest: Math.min(...generations, Number.MAX_SAFE_INTEGER) }
}

async function answer(request: FleetRequest): Promise<FleetAnswer> {
  switch (request.do) {
    case 'open':
      return open(request)
    case 'flood':
      if (!floods && request.on) {
        floods = true
        void flood()
      }
      floods = request.on
      return {}
    case 'echo':
      for (const agent of bare) agent.echoes = request.on
      return {}
    case 'take':
      for (const agent of bare) agent.taking = request.as
      return {}
    case 'count':
      return received()
    case 'close':
      floods = false
      for (const agent of bare) agent.close()
      await Promise.all(agents.map(agent => agent[Symbol.asyncDispose]()))
      agents = []
      bare = []
      return {}
    default:
      request satisfies never
      return {}
  }
}

process.on('message', (request: FleetRequest & { readonly number: number }) => {
  void answer(request).then(said => process.send?.({ ...said, number: request.number }))
})
process.on('disconnect', () => process.exit(0))
