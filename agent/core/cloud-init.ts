/**
 * The seed of an instance: the four files of cloud-init's NoCloud source. Every value is written
 * as a JSON string, which is a YAML string too, so that a name such as `no` or `1e3` stays a text;
 * keys that a small init reads with `sed` stand alone on their line.
 */
import type { OrderInstance } from '#shared/wire/order.ts'
import { phoneHomePort } from './readiness.ts'

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
  options: {
    readonly hostname: string
    readonly mtuOf: (networkId: string) => number
    /** Address at which its host is to be called when it is ready. */
    readonly home?: string | undefined
  }
): SeedFiles => ({
  'meta-data': lines([
    `instance-id: ${quote(instance.id)}`,
    `local-hostname: ${quote(instance.name)}`,
    `remuda-tenant: ${quote(instance.tenant)}`,
    `remuda-host: ${quote(options.hostname)}`,
    ...(options.home === undefined ? [] : [`remuda-phone-home: ${quote(urlOf(options.home))}`]),
    ...(instance.sshKeys.length === 0 ? ['public-keys: []'] : ['public-keys:']),
    ...instance.sshKeys.map(key => `  - ${quote(key.trim())}`)
  ]),
  'user-data': instance.userData ?? '#cloud-config\n{}\n',
  'vendor-data': vendorData(options.home),
  'network-config': networkConfig(instance, options.mtuOf)
})

const urlOf = (home: string): string => `http://${home}:${phoneHomePort}/`

/** What user data says goes before this; `post` with nothing but the id tells no secrets. */
const vendorData = (home: string | undefined): string =>
  home === undefined
    ? '#cloud-config\n{}\n'
    : lines([
        '#cloud-config',
        'phone_home:',
        `  url: ${quote(urlOf(home))}`,
        '  post: ["instance_id"]',
        '  tries: 30'
      ])

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
