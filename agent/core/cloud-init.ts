/**
 * The seed of an instance: the four files of cloud-init's NoCloud source. Every value is written
 * as a JSON string, which is a YAML string too, so that a name such as `no` or `1e3` stays a text;
 * keys that a small init reads with `sed` stand alone on their line.
 */
import type { OrderInstance } from '#shared/wire/order.ts'

/** Label of the file system that cloud-init looks for. */
export const seedLabel = 'cidata'
/** Where a container finds the same files in its tree. */
export const seedFolder = 'var/lib/cloud/seed/nocloud'

/** The four files of a seed, by name. */
export type SeedFiles = {
  readonly 'meta-data': string
  readonly 'user-data': string
  readonly 'vendor-data': string
  readonly 'network-config': string
}

/** Writes the seed. `hostname` is the host's that the instance starts on. */
export const seedFiles = (
  instance: OrderInstance,
  options: { readonly hostname: string; readonly mtuOf: (networkId: string) => number }
): SeedFiles => ({
  'meta-data': lines([
    `instance-id: ${quote(instance.id)}`,
    `local-hostname: ${quote(instance.name)}`,
    `remuda-tenant: ${quote(instance.tenant)}`,
    `remuda-host: ${quote(options.hostname)}`,
    ...(instance.sshKeys.length === 0 ? ['public-keys: []'] : ['public-keys:']),
    ...instance.sshKeys.map(key => `  - ${quote(key.trim())}`)
  ]),
  'user-data': instance.userData ?? '#cloud-config\n{}\n',
  'vendor-data': '#cloud-config\n{}\n',
  'network-config': networkConfig(instance, options.mtuOf)
})

// DHCP rather than fixed addresses: gateway and name servers may change while it runs. `set-name`
// since cloud-init's renderer for ifupdown would otherwise take the key for the interface's name.
function networkConfig(instance: OrderInstance, mtuOf: (networkId: string) => number): string {
  if (instance.ports.length === 0) return lines(['version: 2', 'ethernets: {}'])
  const ethernets = instance.ports.flatMap((port, index) => [
    `  eth${index}:`,
    '    match:',
    `      macaddress: ${quote(port.mac)}`,
    `    set-name: "eth${index}"`,
    '    dhcp4: true',
    '    dhcp6: false',
    `    mtu: ${mtuOf(port.networkId)}`
  ])
  return lines(['version: 2', 'ethernets:', ...ethernets])
}

const quote = (text: string): string => JSON.stringify(text)

const lines = (parts: readonly string[]): string => `${parts.join('\n')}\n`
