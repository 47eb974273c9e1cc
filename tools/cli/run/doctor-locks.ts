/** What `doctor` says of locks on shared volumes: on each host, and what is to be done there. */
import type { ResourceDocument } from '#shared/model/index.ts'
import type { Check } from './doctor.ts'

const name = 'locks'
const chapter = 'docs/hosts.md, "Locks on shared volumes"'

/** Whether libvirt's lock manager works where shared pools wish for it; else nothing. */
export function judgeLocks(
  pools: readonly ResourceDocument[],
  hosts: readonly ResourceDocument[]
): readonly Check[] {
  const shared = pools.filter(({ spec }) => spec['shared'] === true)
  if (shared.length === 0) return []
  const wishing = shared.filter(({ spec }) => spec['locks'] === 'virtlockd').map(poolName)
  const told = hosts.flatMap(host => {
    const said = host.conditions.find(({ type }) => type === name)
    return host.status['phase'] === 'online' ? [{ host: host.name, said }] : []
  })
  const able = told.filter(({ said }) => said?.status === 'true').map(({ host }) => host)
  if (wishing.length === 0) {
    const where = able.length === 0 ? '' : `; virtlockd works on ${able.join(', ')}`
    const found =
      `pool ${shared.map(poolName).join(', ')}: only fences and QEMU's own locks keep a second ` +
      `writer out, no pool has locks of virtlockd${where} (${chapter})`
    return [{ name, state: 'ok', found }]
  }
  const unable = told.filter(({ said }) => said?.status !== 'true')
  if (unable.length === 0) {
    const words = `pool ${wishing.join(', ')}: virtlockd works on ${able.join(', ') || 'no host'}`
    return [{ name, state: 'ok', found: words }]
  }
  const words = unable.map(
    ({ host, said }) => `${host}: ${said?.message ?? 'its agent does not say whether it can'}`
  )
  const found = `pool ${wishing.join(', ')} is not used on ${words.join('; ')}`
  return [{ name, state: 'fail', found, fix: `on each of these hosts: ${chapter}` }]
}

const poolName = (pool: ResourceDocument): string => pool.name
