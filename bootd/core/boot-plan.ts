/**
 * Which machine of the plan it is that asks: by its UUID, else by its serial number, else by one of
 * its MACs. Boards of some makers all say the same UUID or serial number; those count for nothing,
 * and the host that such a board became is known by a UUID that was made of its other names.
 */
import { madeUuids, ownSerial, ownUuid } from '#shared/hardware-names.ts'
import type { BootMachine, BootPlan, BootState } from '#shared/wire/boot.ts'

/** What a machine says of itself when it asks. */
export type Asker = {
  readonly uuid?: string
  readonly serial?: string
  readonly mac?: string
  readonly architecture?: string
  /** What its firmware is: pcbios or efi, as iPXE says it. */
  readonly platform?: string
}

/** By what a machine that has booted is known. */
type BootedNames = Pick<BootState, 'uuid' | 'serial' | 'macs'>

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
  const bySerial = serial === undefined ? undefined : index.bySerial.get(serial)
  const other = bySerial ?? (mac === undefined ? undefined : index.byMac.get(mac))
  if (uuid !== undefined) return ownUuid(other?.uuid) === undefined ? other : undefined
  const made = madeUuids({ serial, mac }).flatMap(one => index.byUuid.get(one) ?? [])
  return made[0] ?? bySerial ?? (isMadeElse(other, mac) ? undefined : other)
}

/** The machine of the plan that has booted, by the card with which it has asked last. */
export const machineBooted = (
  index: PlanIndex,
  { uuid, serial, macs }: BootedNames
): BootMachine | undefined => machineOf(index, askerOf({ uuid, serial, mac: macs.at(-1) }))

/** Whether its UUID was made of another card than the one that asks: that makes another host. */
const isMadeElse = (machine: BootMachine | undefined, mac: string | undefined): boolean =>
  machine?.macs.some(one => one !== mac && madeUuids({ mac: one }).includes(machine.uuid ?? '')) ??
  false

/** The UUID that a machine's firmware says; undefined: it says none, and its host's was made. */
export function saidUuid(
  machine: BootMachine | undefined,
  { serial, macs }: Pick<BootedNames, 'serial' | 'macs'>
): string | undefined {
  const made = macs.flatMap(mac => madeUuids({ serial, mac }))
  return machine?.uuid !== undefined && made.includes(machine.uuid) ? undefined : machine?.uuid
}

/** A MAC in lower case with colons, from one with colons or hyphens; undefined: it is none. */
export function ownMac(text: string | undefined): string | undefined {
  const mac = text?.toLowerCase().replaceAll('-', ':')
  if (mac === undefined || !/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(mac)) return undefined
  return mac === '00:00:00:00:00:00' ? undefined : mac
}
