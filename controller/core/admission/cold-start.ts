import type { InstanceSpec } from '#shared/model/instance.ts'
import { servicesMax } from '#shared/wire/bootstrap.ts'
import { type Refusal, refuse } from '../refusal.ts'
import { defaultTenant } from '../subject.ts'
import type { View } from '../view.ts'

/**
 * Says why an instance cannot be one that its host starts by itself: it could run elsewhere as
 * well, so that nobody but a controller may say where. Undefined when it can, or need not.
 */
export function refuseColdStart(
  view: View,
  wish: { readonly name: string; readonly tenant?: string; readonly spec: InstanceSpec }
): Refusal | undefined {
  const { name, spec } = wish
  if (!spec.coldStart) return undefined
  const because = reasonAgainst(view, spec, wish.tenant ?? defaultTenant)
  if (because !== undefined) {
    return refuse('invalid', `instance ${name} cannot start without a controller: ${because}`, {
      pointer: '/spec/coldStart',
      next: [
        'name its host, and use volumes of pools that are not shared',
        'or leave coldStart out'
      ]
    })
  }
  const others = [...view.all('instance').values()].filter(
    other => other.spec.coldStart && other.name !== name
  )
  if (others.length < servicesMax) return undefined
  return refuse('conflict', `instance ${name} cannot start without a controller: others do`, {
    pointer: '/spec/coldStart',
    reasons: [`${others.length} instances do, at most ${servicesMax} may`]
  })
}

function reasonAgainst(view: View, spec: InstanceSpec, tenant: string): string | undefined {
  if (spec.host === undefined) return 'it names no host, so that it may run on any'
  const named = spec.volumes.map(volume => view.named('volume', volume, tenant)?.spec.pool)
  const pools = [...(spec.image === undefined ? [] : [spec.pool]), ...named]
  const shared = pools.find(pool => pool !== undefined && view.named('pool', pool)?.spec.shared)
  if (shared !== undefined) return `its pool ${shared} is shared, so that others see its volumes`
  return pools.length > 0 ? undefined : 'it has no volume that binds it to its host'
}
