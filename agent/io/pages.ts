import type { Clock } from '#shared/clock.ts'
import { Fault } from '#shared/fault.ts'
import type { HostFacts } from '#shared/model/host-facts.ts'
import { version } from '#shared/version.ts'
import type { AnsweringEnd } from '#shared/wire/answering-end.ts'
import { differencesOf } from '../core/differences.ts'
import { domainsOf } from '../core/observed.ts'
import { stepSentence } from '../core/steps.ts'
import type { ConsoleRelay } from './console/relay.ts'
import type { Pages } from './local-socket.ts'
import type { AgentLoop } from './loop.ts'

/** What the agent shows at its own socket. */
export function pagesOf(given: {
  readonly loop: AgentLoop
  readonly mesh: Pick<AnsweringEnd, 'endpoint' | 'heardAt' | 'counters'>
  readonly relay: Pick<ConsoleRelay, 'channels'>
  readonly facts: HostFacts
  readonly sender: { readonly bootId: string; readonly run: string }
  readonly clock: Clock
}): Pages {
  const { loop } = given
  return {
    '/status': () => status(given),
    '/observed': () => ({ ...loop.observed, report: loop.lastReport }),
    '/desired': () => {
      if (loop.desired !== undefined) return loop.desired
      throw new Fault('unavailable', 'cannot show what is desired: no order has ever come', {
        next: ['remuda host list', 'remuda agent status']
      })
    },
    '/diff': () => (loop.plan === undefined ? [] : differencesOf(loop.plan, loop.underWay))
  }
}

function status({ loop, mesh, relay, facts, sender, clock }: Parameters<typeof pagesOf>[0]) {
  const { domains } = loop.observed
  const { heardAt } = mesh
  return {
    hostname: facts.hostname,
    uuid: facts.uuid,
    version,
    pid: process.pid,
    ...sender,
    endpoint: mesh.endpoint,
    cloud: loop.seen.cloud,
    controllerHeardMsAgo: heardAt === undefined ? undefined : clock.monotonic() - heardAt,
    epoch: loop.seen.epoch,
    generation: loop.seen.generation,
    settledGeneration: loop.settledGeneration,
    orderOrigin: loop.desired?.origin,
    libvirt: {
      state: domains.state,
      domains: domainsOf(loop.observed).length,
      ...(domains.state === 'fresh' ? {} : { because: domains.because })
    },
    kvm: facts.kvm,
    instances: (loop.plan?.verdicts.instances ?? []).map(each => ({
      name: `${each.instance.tenant}/${each.instance.name}`,
      power: each.power,
      reason: each.reason,
      message: each.message
    })),
    underWay: loop.underWay.map(stepSentence),
    consoles: relay.channels,
    mesh: mesh.counters()
  }
}
