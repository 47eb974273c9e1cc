import type { Resource } from '#shared/model/index.ts'
import type { SigningKeys } from '#shared/wire/bootstrap.ts'
import { born, type Context, decision, isoOf } from './admission/context.ts'
import type { Cloud, Commit, StoredToken } from './commit.ts'
import { defaultTenant, subjectOf } from './subject.ts'

/** Named shapes that a new cloud begins with. */
const sizes: readonly (readonly [name: string, vcpus: number, memoryMib: number])[] = [
  ['tiny', 1, 128],
  ['small', 1, 512],
  ['medium', 2, 2_048],
  ['large', 4, 8_192],
  ['huge', 8, 32_768]
]

/** Address range of the network that a new cloud begins with. */
export const defaultCidr = '10.66.0.0/24'

/** What a new cloud holds before anybody has asked for anything. */
export function firstCommit(
  wish: {
    readonly cloudId: string
    readonly adminToken: StoredToken
    readonly cidr?: string
    readonly signing?: SigningKeys
    readonly overhead?: Cloud['overhead']
  },
  context: Context
): Commit {
  const resources: readonly Resource[] = [
    {
      ...born(context, 'tenant', { name: defaultTenant }),
      kind: 'tenant',
      spec: { description: 'Whoever names no tenant.' },
      decided: {}
    },
    ...sizes.map(
      ([name, vcpus, memoryMib]): Resource => ({
        ...born(context, 'size', { name }),
        kind: 'size',
        spec: { vcpus, memoryMib },
        decided: {}
      })
    ),
    {
      ...born(context, 'pool', { name: 'local' }),
      kind: 'pool',
      spec: { driver: 'directory', shared: false },
      decided: {}
    },
    {
      ...born(context, 'network', { name: 'default' }),
      kind: 'network',
      spec: { driver: 'flat', mtu: 1500, nat: true, shared: true },
      decided: {}
    },
    {
      ...born(context, 'subnet', { name: 'default' }),
      kind: 'subnet',
      spec: { network: 'default', cidr: wish.cidr ?? defaultCidr, dns: [] },
      decided: {}
    }
  ]
  const because = 'a new cloud begins with a tenant, sizes, a pool, a network and an admin token'
  return {
    changes: [
      {
        op: 'cloud-put',
        cloud: {
          id: wish.cloudId,
          createdAt: isoOf(context),
          ...(wish.signing && { signing: wish.signing }),
          ...(wish.overhead && { overhead: wish.overhead })
        }
      },
      { op: 'token-put', token: wish.adminToken },
      ...resources.map(resource => ({ op: 'put' as const, resource }))
    ],
    decisions: [decision(context, 'founded', because, ...resources.map(subjectOf))]
  }
}
