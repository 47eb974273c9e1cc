/**
 * Which machine of the plan it is that asks: by its UUID, else by its serial number, else by one of
 * its MACs. Boards of some makers all say the same UUID or serial number; those count for nothing.
 */
import type { BootMachine, BootPlan } from '#shared/wire/boot.ts'

/** What a machine says of itself when it asks. */
export type Asker = {
  readonly uuid?: string
  readonly serial?: string
  readonly mac?: string
  readonly architecture?: string
  /** What its firmware is: pcbios or efi, as iPXE says it. */
  readonly platform?: string
}

/** Whether it has said who it is. */
export const isNamed = ({ uuid, serial, mac }: Asker): boolean =>
  uuid !== undefined || serial !== undefined || mac !== undefined

/** Who somebody is, without what is not known. */
export const askerOf = (names: {
  readonly uuid?: string | undefined
  readonly serial?: string | undefined
  readonly mac?: string | undefined
}): Asker => ({
  ...(names.uuid !== undefined && { uuid: names.uuid }),
  ...(names.serial !== undefined && { serial: names.serial }),
  ...(names.mac !== undefined && { mac: names.mac })
})

/** A plan whose machines can be found. */
export type PlanIndex = {
  readonly plan: BootPlan
  readonly byUuid: ReadonlyMap<string, BootMachine>
  readonly bySerial: ReadonlyMap<string, BootMachine>
  readonly byMac: ReadonlyMap<string, BootMachine>
}

/** Makes the machines of a plan easy to find; of two that claim the same, the first counts. */
export function indexPlan(plan: BootPlan): PlanIndex {
  const [byUuid, bySerial] = [new Map<string, BootMachine>(), new Map<string, BootMachine>()]
  const byMac = new Map<string, BootMachine>()
  for (const machine of plan.machines) {
    const uuid = ownUuid(machine.uuid)
    const serial = ownSerial(machine.serial)
    if (uuid !== undefined && !byUuid.has(uuid)) byUuid.set(uuid, machine)
    if (serial !== undefined && !bySerial.has(serial)) bySerial.set(serial, machine)
    for (const mac of machine.macs) if (!byMac.has(mac)) byMac.set(mac, machine)
  }
  return { plan, byUuid, bySerial, byMac }
}

/**
 * Finds the machine that asks; undefined: nobody knows it. One whose UUID is another than the one
 * that is known for its serial number or MAC is another machine: a card may have moved.
 */
export function machineOf(index: PlanIndex, asker: Asker): BootMachine | undefined {
  const { uuid, serial, mac } = asker
  const byUuid = uuid === undefined ? undefined : index.byUuid.get(uuid)
  if (byUuid) return byUuid
  const other =
    (serial === undefined ? undefined : index.bySerial.get(serial)) ??
    (mac === undefined ? undefined : index.byMac.get(mac))
  const known = ownUuid(other?.uuid)
  return uuid !== undefined && known !== undefined ? undefined : other
}

const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
/** UUIDs that makers leave in many boards. */
const commonUuids: ReadonlySet<string> = new Set([
  '03000200-0400-0500-0006-000700080009',
  '12345678-1234-5678-90ab-cddeefaabbcc'
])
const commonSerials: readonly RegExp[] = [
  /^(0+|1234567890?|123456789|x{3,}|none|unknown|n\/?a)$/i,
  /^(default( string)?|not (specified|available)|to be filled by o\.?e\.?m\.?)$/i,
  /^(system|chassis) serial number$/i
]

/** A UUID that can be one machine's alone, in lower case; undefined: it is none. */
export function ownUuid(text: string | undefined): string | undefined {
  const uuid = text?.toLowerCase()
  if (uuid === undefined || !uuidPattern.test(uuid) || commonUuids.has(uuid)) return undefined
  return new Set(uuid.replaceAll('-', '')).size === 1 ? undefined : uuid
}

/** A serial number that can be one machine's alone; undefined: it is none. */
export function ownSerial(text: string | undefined): string | undefined {
  const serial = text?.trim()
  if (serial === undefined || serial === '' || serial.length > 128) return undefined
  if (!/^[\x20-\x7e]+$/.test(serial)) return undefined
  return commonSerials.some(one => one.test(serial)) ? undefined : serial
}

/** A MAC in lower case with colons, from one with colons or hyphens; undefined: it is none. */
export function ownMac(text: string | undefined): string | undefined {
  const mac = text?.toLowerCase().replaceAll('-', ':')
  if (mac === undefined || !/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(mac)) return undefined
  return mac === '00:00:00:00:00:00' ? undefined : mac
}
