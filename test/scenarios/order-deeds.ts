/** What happens to instances in stories of who starts after whom. */
import { newId } from '#shared/ids.ts'
import type { Instance } from '#shared/model/instance.ts'
import { setHealing } from '../../controller/core/admission/healing.ts'
import { isRefusal } from '../../controller/core/refusal.ts'
import { faultOf } from '../../controller/io/refusal-fault.ts'
import type { WholeCloud } from '../world/whole-cloud.ts'

/** A port of one takes calls or no more, it phones home, its guest agent comes … */
export type OrderDeed =
  | { readonly do: 'open-port' | 'shut-port'; readonly name: string; readonly port: number }
  | { readonly do: 'phone-home' | 'guest-agent'; readonly name: string }
  | { readonly do: 'change'; readonly name: string; readonly spec: object }
  | { readonly do: 'starts-per-host'; readonly count: number }

const words: readonly string[] = [
  ...['open-port', 'shut-port', 'phone-home', 'guest-agent', 'change', 'starts-per-host']
]

/** Tells such a deed from all others. */
export const isOrderDeed = (deed: { readonly do: string }): deed is OrderDeed =>
  words.includes(deed.do)

/** Does it, and gives what is to be seen of it. */
export async function actOnOrder(cloud: WholeCloud, deed: OrderDeed): Promise<readonly string[]> {
  switch (deed.do) {
    case 'open-port':
      cloud.open.add(`${addressOf(cloud, deed.name)}:${deed.port}`)
      return []
    case 'shut-port':
      cloud.open.delete(`${addressOf(cloud, deed.name)}:${deed.port}`)
      return []
    case 'phone-home': {
      const { host = '' } = instanceOf(cloud, deed.name).decided
      const isHeard = cloud.host(host).phoneHome('10.66.0.1', addressOf(cloud, deed.name))
      return [isHeard ? `${host} has heard it` : `${host} does not expect it now`]
    }
    case 'guest-agent': {
      const { hypervisor } = cloud.host(instanceOf(cloud, deed.name).decided.host ?? '')
      hypervisor.letGuestAgentCome(`default.${deed.name}`)
      return []
    }
    case 'change': {
      const { id, labels, spec } = instanceOf(cloud, deed.name)
      await cloud.wish({
        verb: 'change',
        kind: 'instance',
        id,
        labels,
        spec: specWith(cloud, spec, deed.spec)
      })
      return []
    }
    case 'starts-per-host': {
      const { reign } = cloud
      const context = { by: 'user/admin', now: reign.now(), newId }
      const commit = setHealing(reign.view, { startsPerHost: deed.count }, context)
      if (isRefusal(commit)) throw faultOf(commit)
      void reign.record(commit)
      return []
    }
    default:
      deed satisfies never
      return []
  }
}

const specWith = (cloud: WholeCloud, spec: object, change: object) =>
  cloud.specOf('instance', { ...spec, ...change })

function instanceOf(cloud: WholeCloud, name: string): Instance {
  const instance = cloud.reign.view.named('instance', name, 'default')
  if (!instance) throw new Error(`there is no instance ${name}`)
  return instance
}

function addressOf(cloud: WholeCloud, name: string): string {
  const [port = ''] = instanceOf(cloud, name).decided.ports
  return cloud.reign.view.get('port', port)?.decided.address ?? ''
}
