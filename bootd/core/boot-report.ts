/** What is told of boots, so that it fits into a message however many there are. */
import type { BootReport, BootState } from '#shared/wire/boot.ts'

/** Room for boots in one report; a message holds 4 MiB. Unit: bytes. */
export const bootsBytesMax = 3 * 1024 * 1024

/** As many of the boots, those first that stand first, as there is room for. */
export function boundedBoots(
  boots: readonly BootState[],
  bytesMax: number = bootsBytesMax
): BootReport['boots'] {
  let bytes = 0
  const fitting = boots.findIndex(boot => {
    bytes += Buffer.byteLength(JSON.stringify(boot))
    return bytes > bytesMax
  })
  return fitting < 0 ? boots : boots.slice(0, fitting)
}
