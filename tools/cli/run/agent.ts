import path from 'node:path'
import { Api } from '../api/client.ts'
import { readJson } from '../api/resources.ts'
import { makeTrace, noTrace } from '../api/trace.ts'
import type { Run } from '../command.ts'
import type { Invocation } from '../invocation.ts'
import { describeObject } from '../output/document.ts'
import { renderRaw } from '../output/results.ts'
import { showLive } from './live.ts'

/** Where the agent of this machine answers. */
export const agentSocket = (state: string): string => path.join(state, 'run', 'agent.sock')

/** Makes the way to the agent of this machine. */
export function connectAgent({ settings, terminal }: Invocation): Api {
  const trace = settings.debug ? makeTrace(text => void terminal.errors.write(text)) : noTrace
  return new Api({ via: 'socket', path: agentSocket(settings.state) }, { trace, peer: 'agent' })
}

/** Asks the agent of this machine one question. */
export const askAgent =
  (question: 'status' | 'observed' | 'desired' | 'diff'): Run =>
  async invocation => {
    await using api = connectAgent(invocation)
    const doing = `ask the agent for its ${question}`
    await showLive(
      { ...invocation, connect: async () => api },
      {
        query: {},
        look: async signal => {
          const answer = await api.ask({ method: 'GET', path: `/${question}`, doing, signal })
          const said = readJson(answer, doing)
          return (await renderRaw(invocation, said)) ?? describe(invocation, said)
        }
      }
    )
  }

function describe({ paint }: Invocation, said: unknown): string {
  if (Array.isArray(said)) {
    if (said.length === 0) return 'nothing: all is as desired\n'
    return describeObject({ steps: said }, Date.now(), paint)
  }
  if (typeof said === 'object' && said !== null) return describeObject(said, Date.now(), paint)
  return `${String(said)}\n`
}
