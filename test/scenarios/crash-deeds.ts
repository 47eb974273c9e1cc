/** What happens in stories of instances that fail by themselves, and of room that is made. */
import type { TenantSpec } from '#shared/model/tenant.ts'
import type { WholeCloud } from '../world/whole-cloud.ts'

export type CrashDeed =
  /** From now on each run of it ends so soon, on these hosts or on all. */
  | {
      readonly do: 'break'
      readonly name: string
      readonly ranMs: number
      readonly hosts?: readonly string[]
    }
  | { readonly do: 'mend-instance' | 'story' | 'deaf'; readonly name: string }
  | { readonly do: 'change-instance'; readonly name: string; readonly spec: object }
  | { readonly do: 'change-tenant'; readonly name: string; readonly spec: Partial<TenantSpec> }

const words = ['deaf', 'break', 'mend-instance', 'story', 'change-instance', 'change-tenant']

/** Tells such a deed from all others. */
export const isCrashDeed = (deed: { readonly do: string }): deed is CrashDeed =>
  words.includes(deed.do)

/** Those that are broken, and when each of them was last seen to start. */
const broken = new WeakMap<WholeCloud, Set<string>>()

/** Does it, and gives what is to be seen of it. */
export async function actOnCrashes(cloud: WholeCloud, deed: CrashDeed): Promise<readonly string[]> {
  const some = broken.get(cloud) ?? new Set()
  broken.set(cloud, some)
  switch (deed.do) {
    case 'break':
      some.add(deed.name)
      void breakAgain(cloud, deed, () => some.has(deed.name))
      return []
    case 'mend-instance':
      some.delete(deed.name)
      return []
    case 'deaf':
      for (const { hypervisor } of cloud.hosts.values()) {
        const found = hypervisor.all.find(({ name }) => name === `default.${deed.name}`)
        if (found) hypervisor.setObeys(found, false)
      }
      return []
    case 'story':
      return cloud.reign.view
        .history(`instance/${deed.name}`)
        .filter(({ by }) => !by.startsWith('agent/'))
        .map(({ verb, because }) => `${verb}: ${because}`)
    case 'change-instance':
    case 'change-tenant': {
      const kind = deed.do === 'change-tenant' ? 'tenant' : 'instance'
      const tenant = kind === 'instance' ? 'default' : undefined
      const { id, spec, labels } = cloud.reign.view.named(kind, deed.name, tenant)!
      await cloud.wish({ verb: 'change', kind, id, labels, spec: { ...spec, ...deed.spec } })
      return []
    }
    default:
      deed satisfies never
      return []
  }
}

async function breakAgain(
  cloud: WholeCloud,
  { name, ranMs, hosts }: Extract<CrashDeed, { do: 'break' }>,
  isOn: () => boolean
): Promise<void> {
  const stepMs = 50
  let [living, sinceMs] = ['', 0]
  while (isOn()) {
    await cloud.clock.sleep(stepMs)
    const found = [...cloud.hosts.values()]
      .filter(host => hosts?.includes(host.name) ?? true)
      .flatMap(({ hypervisor, name: host }) =>
        hypervisor.all
          .filter(one => one.name === `default.${name}`)
          .map(key => ({ host, key, hypervisor }))
      )[0]
    const now = found?.host ?? ''
    sinceMs = now === living && found ? sinceMs + stepMs : 0
    living = now
    if (!found || sinceMs < ranMs) continue
    found.hypervisor.kill(found.key)
    living = ''
  }
}
