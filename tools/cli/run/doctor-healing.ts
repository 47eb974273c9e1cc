/** Whether the cloud would heal itself if a host died now. */
import { isFault } from '#shared/fault.ts'
import { readJson } from '../api/resources.ts'
import type { Invocation } from '../invocation.ts'
import type { Check } from './doctor.ts'
import type { Cloud } from './doctor-cloud.ts'
import type { HealingSaid } from './ha.ts'

const name = 'healing'

/** Asks the controller; one that is too old to be asked has nothing to say. */
export async function checkHealing(
  { signal }: Invocation,
  { api }: Cloud
): Promise<readonly Check[]> {
  if (!api) return []
  const doing = 'see how the cloud heals'
  try {
    const answer = await api.ask({ method: 'GET', path: '/v1/ha', doing, signal })
    return judgeHealing(readJson(answer, doing) as HealingSaid)
  } catch (thrown) {
    if (!isFault(thrown)) throw thrown
    if (thrown.code === 'not-found') return []
    return [{ name, state: 'fail', found: thrown.message, fix: 'remuda ha status' }]
  }
}

/** Those in which a device was wished, and none would prove anything. */
const deadStates = ['device-silent', 'device-wrong', 'no-secret']

/** With one host there is nowhere to start anything else, and nothing is said. */
export function judgeHealing(said: HealingSaid): readonly Check[] {
  const { brake, disarmed, suspects, fenced, exposed, watches } = said
  if (brake.hosts < 2 || !watches) return []
  const fencing = fenced.filter(({ phase }) => phase === 'fencing')
  const ill = [
    ...fencing.map(({ host, progress }) => ({ host, because: `is fenced: ${progress}` })),
    ...suspects.map(({ host, because }) => ({ host, because: `is not heard: ${because}` }))
  ]
  const dead = exposed.filter(({ state }) => deadStates.includes(state))
  const fix = 'remuda ha status'
  const found = (all: readonly { readonly host: string; readonly because: string }[]): string =>
    all.map(({ host, because }) => `${host} ${because}`).join('; ')
  if (ill.length > 0) return [{ name, state: 'fail', found: found(ill), fix }]
  if (dead.length > 0) {
    return [{ name, state: 'fail', found: `could not be fenced: ${found(dead)}`, fix }]
  }
  if (disarmed) {
    const since = `disarmed since ${disarmed.at} by ${disarmed.by}: ${disarmed.because}`
    return [{ name, state: 'warn', found: since, fix: 'remuda ha arm' }]
  }
  if (fenced.length > 0) {
    const off = fenced.map(({ host, progress }) => ({ host, because: `is off: ${progress}` }))
    return [{ name, state: 'warn', found: found(off), fix }]
  }
  if (exposed.length > 0) {
    const words = [...new Set(exposed.map(({ state }) => state))].map(state => {
      const names = exposed.filter(one => one.state === state).map(({ host }) => host)
      return `${state}: ${names.join(', ')}`
    })
    return [{ name, state: 'warn', found: words.join('; '), fix }]
  }
  return [{ name, state: 'ok', found: `each of ${brake.hosts} hosts could be fenced now` }]
}
