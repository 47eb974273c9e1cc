/** What the locks of a pool are for, and what cannot have them. */
import type { Pool, PoolSpec } from '#shared/model/pool.ts'
import { type Refusal, refuse } from '../refusal.ts'

/** Why a pool cannot have the locks that are wished: they are for volumes that many hosts see. */
export function lockFault(name: string, spec: PoolSpec): Refusal | undefined {
  const { shared, locks = 'none', lockFolder } = spec
  if (locks === 'none' && lockFolder !== undefined) {
    return refuse('invalid', `cannot create pool ${name}: a folder for locks, and no locks`, {
      pointer: '/spec/lockFolder',
      next: ['say --locks virtlockd, or leave the folder out']
    })
  }
  if (locks === 'none' || shared) return undefined
  return refuse('invalid', `cannot create pool ${name}: its volumes need no locks`, {
    pointer: '/spec/locks',
    reasons: ['it is not shared: no other host sees its volumes'],
    next: ['say --shared, or leave the locks out']
  })
}

/** Why a tree cannot be in a pool with locks: libvirt's driver of containers takes none. */
export function treeFault(name: string, pool: Pool): Refusal {
  return refuse('invalid', `cannot create volume ${name}: a tree cannot be locked`, {
    pointer: '/spec/pool',
    reasons: [`volumes of pool ${pool.name} are locked by virtlockd, which is for VMs alone`],
    next: ['choose another pool: remuda pool list']
  })
}
