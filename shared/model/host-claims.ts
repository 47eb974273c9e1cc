/** What machines say of themselves before anybody has let them in: claims, for people to judge. */
import Type from 'typebox'
import { formatMib } from '../units.ts'
import { Strict } from './resource.ts'
import type { DeepReadonly } from './types.ts'

/** Interfaces that are named; of more the first ones are. */
export const claimedNicsMax = 16
/** No word of a claim is longer. Unit: characters. */
export const claimCharactersMax = 64

/** They end up on terminals. */
const Text = (description: string) =>
  Type.String({
    maxLength: claimCharactersMax,
    pattern: '^[^\\x00-\\x1f\\x7f-\\x9f]*$',
    description
  })
const Count = (description: string, unit = 'count') =>
  Type.Integer({ minimum: 0, description: `${description} Unit: ${unit}.` })

/** What a machine says of its hardware when it knocks. */
export const HostClaims = Strict(
  {
    vendor: Type.Optional(Text('Who made it.')),
    product: Type.Optional(Text('What they call it.')),
    serial: Type.Optional(Text('Serial number of the machine.')),
    cpu: Text('Name of the processor.'),
    threads: Count('Hardware threads in all.'),
    memoryMib: Count('Memory of the machine.', 'MiB'),
    disks: Count('Disks in all.'),
    disksMib: Count('Size of all disks.', 'MiB'),
    nics: Type.Array(
      Strict({
        name: Text('Name of the interface.'),
        mac: Text('Hardware address.'),
        speedMbit: Type.Optional(Count('Speed of the link.', 'Mbit/s'))
      }),
      { maxItems: claimedNicsMax, description: 'Its interfaces, the first of many.' }
    ),
    tpm: Type.Optional(Text('Version of the trusted platform module.')),
    bmc: Type.Boolean({ description: 'Whether a baseboard management controller answers.' })
  },
  {
    description: 'What it says of its hardware while it waits to be let in; nobody vouches for it.'
  }
)
/** The same, as it is read. */
export type HostClaims = DeepReadonly<Type.Static<typeof HostClaims>>

/** Claims in a sentence part. */
export function claimWords(claims: HostClaims): string {
  const { vendor, product, serial, cpu, threads, memoryMib, disks, disksMib, nics } = claims
  const maker = [vendor, product].filter(one => one !== undefined).join(' ')
  return [
    maker || 'a machine of no name',
    ...(serial === undefined ? [] : [`serial ${serial}`]),
    `${threads} threads${cpu === '' ? '' : ` (${cpu})`}`,
    `${formatMib(memoryMib)} of memory`,
    disks === 0 ? 'no disk' : `${disks} disk${disks === 1 ? '' : 's'} (${formatMib(disksMib)})`,
    `interfaces ${nics.map(({ name, mac }) => `${name} ${mac}`).join(', ') || 'none'}`
  ].join(', ')
}
