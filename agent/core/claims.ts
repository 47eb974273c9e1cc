/** What of the machine's facts is said at the door, where messages are short. */
import { claimCharactersMax, claimedNicsMax, type HostClaims } from '#shared/model/host-claims.ts'
import type { HostFacts } from '#shared/model/host-facts.ts'

/** Facts as claims, which are cut where they would be too long. */
export function claimsOf(facts: HostFacts): HostClaims {
  const { vendor, product, serial, cpu, memoryMib, disks, nics, tpm, bmc } = facts
  return {
    ...(vendor !== undefined && { vendor: short(vendor) }),
    ...(product !== undefined && { product: short(product) }),
    ...(serial !== undefined && { serial: short(serial) }),
    ...{ cpu: short(cpu.model), threads: cpu.threads, memoryMib },
    ...{ disks: disks.length, disksMib: disks.reduce((sum, { sizeMib }) => sum + sizeMib, 0) },
    nics: nics.slice(0, claimedNicsMax).map(({ name, mac, speedMbit }) => ({
      ...{ name: short(name), mac: short(mac) },
      ...(speedMbit !== undefined && speedMbit >= 0 && { speedMbit })
    })),
    ...(tpm !== undefined && { tpm: short(tpm) }),
    bmc
  }
}

const short = (text: string): string =>
  text
    .replaceAll(/\p{Cc}/gu, ' ')
    .trim()
    .slice(0, claimCharactersMax)
