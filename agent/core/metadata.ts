/**
 * What our element in a domain's metadata says. The agent remembers no domain: what runs, and what
 * it was made from, stands here, with the domain, and ends with it.
 */
import type { OrderInstance, OrderVolume } from '#shared/wire/order.ts'
import { fingerprint } from './fingerprint.ts'
import type { Domain } from './ports.ts'

/** Namespace of our element `remuda:instance`. */
export const metadataNamespace = 'https://remuda.dev/domain/1'

/** How an instance's processor runs; a container's is the host's own: none. */
export type Acceleration = 'kvm' | 'tcg' | 'none'

/** What a domain of ours says of itself, so that an agent that starts anew adopts it as it is. */
export type DomainMetadata = {
  readonly version: 1
  readonly cloud: string
  /** Id of the instance; the domain's UUID is the one in it. */
  readonly id: string
  readonly tenant: string
  readonly name: string
  /** Generation of the instance that it was started from. */
  readonly generation: number
  /** Fingerprint of what it was started from as far as it is hardware; see `hardwareOf`. */
  readonly hardware: string
  /** The count of wished restarts that this start has answered. */
  readonly restarts: number
  /** RFC 3339. */
  readonly startedAt: string
  /** Which start this was; undefined: it was not counted. */
  readonly startCount?: number
  readonly stopGraceMs: number
  /** Ids of the volumes and ports that it uses. */
  readonly volumes: readonly string[]
  readonly ports: readonly string[]
  readonly acceleration: Acceleration
}

/** A domain of ours that exists in libvirt, with what it says of itself. */
export type OwnDomain = { readonly domain: Domain; readonly metadata: DomainMetadata }

/** An instance of an order is never altered, and looked at in every round. */
const prints = new WeakMap<
  OrderInstance,
  { readonly formats: readonly (OrderVolume['format'] | undefined)[]; readonly print: string }
>()

/** Fingerprint of all that changes only when an instance is started again. */
export function hardwareOf(
  instance: OrderInstance,
  formats: ReadonlyMap<string, OrderVolume['format']>
): string {
  const known = prints.get(instance)
  const { volumes } = instance
  if (known && volumes.every((id, at) => formats.get(id) === known.formats[at])) return known.print
  const print = printOf(instance, formats)
  prints.set(instance, { formats: volumes.map(id => formats.get(id)), print })
  return print
}

const printOf = (
  instance: OrderInstance,
  formats: ReadonlyMap<string, OrderVolume['format']>
): string =>
  fingerprint({
    type: instance.type,
    vcpus: instance.vcpus,
    memoryMib: instance.memoryMib,
    cpuBaseline: instance.cpuBaseline,
    ...(instance.cpuFeatures && { cpuFeatures: instance.cpuFeatures }),
    ...(instance.hugePages && { hugePages: instance.hugePages }),
    ...(instance.devices && { devices: instance.devices }),
    ...(instance.fit && { fit: true }),
    volumes: instance.volumes.map(id => [id, formats.get(id)]),
    ports: instance.ports.map(port => [port.id, port.networkId, port.mac])
  })

/** Writes it as JSON, in which nothing is left to XML but the escaping. */
export const writeMetadata = (metadata: DomainMetadata): string => JSON.stringify(metadata)

/** Reads our element's text; undefined when it is not what this version writes. */
export function readMetadata(text: string | undefined): DomainMetadata | undefined {
  const value = text === undefined ? undefined : parse(text)
  if (value === undefined || value['version'] !== 1) return undefined
  const texts = ['cloud', 'id', 'tenant', 'name', 'hardware', 'startedAt', 'acceleration']
  const counts = ['generation', 'restarts', 'stopGraceMs']
  const lists = ['volumes', 'ports']
  return texts.every(field => typeof value[field] === 'string') &&
    counts.every(field => Number.isSafeInteger(value[field])) &&
    (value['startCount'] === undefined || Number.isSafeInteger(value['startCount'])) &&
    lists.every(field => isTexts(value[field]))
    ? (value as DomainMetadata)
    : undefined
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null
      ? (value as Record<string, unknown>)
      : undefined
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return undefined
    throw thrown
  }
}

const isTexts = (value: unknown): boolean =>
  Array.isArray(value) && value.every(item => typeof item === 'string')
