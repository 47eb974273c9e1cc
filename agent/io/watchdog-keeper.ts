/**
 * Who holds a watchdog open: a small program of its own that outlives the agent. The kernel pets a
 * watchdog once more when it is closed, so if the agent held it, its death would put off the end of
 * its host by the watchdog's whole time. Nothing but root's own hand ends the keeper: it uses no
 * memory to speak of, is never chosen when memory is short, and leaves the agent's control group
 * (where it cannot, that is said, and the host proven off by the longer time).
 *
 * It is told through a FIFO until when it may pet, and looks at the clock itself before it does, so
 * what comes late pets nobody. The next run of the agent finds it by that FIFO.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, existsSync, openSync, writeSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { uptime } from 'node:os'
import { basename, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { Fault } from '#shared/fault.ts'
import type { Ms } from '#shared/units.ts'
import type { TimeLeft, WatchdogFacts } from '../core/ports.ts'

/** It opens a file or two; a machine that is that slow has other troubles. Unit: ms. */
const startMsMax: Ms = 10_000

/**
 * Its arguments: the device, the FIFO, until when it may begin, and the file that takes it out of
 * the agent's control group, or nothing where it need not leave it. Times are hundredths of a
 * second since the machine was booted. That it has left is told by a file beside the FIFO. A pet
 * that fails ends it: the next keeper opens the device anew, which a board that has forgotten its
 * timer needs, and the kernel's pet as it closes comes right after the one that failed.
 */
const program = `
device=$1 pets=$2 until=$3 group=$4
in_time() { read -r up _ </proc/uptime; [ "\${up%.*}\${up#*.}" -lt "$1" ]; }
end() { [ -z "$1" ] || echo "$1" >&2; exit 1; }
trap '' HUP INT
trap 'rm -f "$pets.$$"' EXIT
{ echo -1000 >/proc/self/oom_score_adj; } 2>/dev/null
[ -c "$device" ] || [ -p "$device" ] || end "there is no device $device"
mkfifo -m 600 "$pets.$$" || end
exec 8<>"$pets.$$"
apart=yes
if [ -n "$group" ]; then
  { echo $$ >"$group"; } 2>/dev/null
  own=; { while read -r line; do own="$own $line"; done </proc/self/cgroup; } 2>/dev/null
  case $own in '' | ' 0::/') ;; *) apart= ;; esac
fi
in_time "$until" || end 'this host had no lease any more'
exec 9<>"$device"
printf . >&9 || end
rm -f "$pets.apart"
[ -z "$apart" ] || : >"$pets.apart"
mv -f "$pets.$$" "$pets" || end
trap - EXIT
exec </dev/null >/dev/null 2>&1
while read -r until <&8; do
  in_time "$until" || continue
  printf . >&9 || exit 1
done
`

/** Where the keeper of a device is found. */
export type KeeperPlace = {
  readonly device: string
  readonly folder: string
  /** `cgroup.procs` of the group of all; empty: it may stay in that of the agent. */
  readonly group: string
}

/** The agent's end of it. */
export class WatchdogKeeper implements Disposable {
  readonly #fd: number
  #isOpen = true

  private constructor(fd: number) {
    this.#fd = fd
  }

  /** Finds the one that runs, or starts one; it opens the device only within that time. */
  static async of(place: KeeperPlace, within: TimeLeft): Promise<WatchdogKeeper> {
    const pets = petsOf(place)
    const running = openPets(pets)
    if (running !== undefined) return new WatchdogKeeper(running)
    await mkdir(place.folder, { recursive: true })
    const until = uptimeIn(within)
    await start(['-c', program, 'remuda-watchdog', place.device, pets, until, place.group])
    const fd = openPets(pets)
    if (fd === undefined) throw new Fault('unavailable', 'its keeper ended as soon as it began')
    return new WatchdogKeeper(fd)
  }

  /** Pets, if that happens within this time; throws where nobody is left who could. */
  pet(within: TimeLeft): void {
    writeSync(this.#fd, `${uptimeIn(within)}\n`)
  }

  [Symbol.dispose](): void {
    if (this.#isOpen) closeSync(this.#fd)
    this.#isOpen = false
  }
}

/** Whether a keeper holds the device, and none of what ends the agent ends it, too. */
export function keptOf(place: KeeperPlace): WatchdogFacts['kept'] {
  try {
    const fd = openPets(petsOf(place))
    if (fd === undefined) return 'no'
    closeSync(fd)
  } catch {
    // Whatever is in the place of its FIFO: opening it tells what.
    return 'no'
  }
  return existsSync(`${petsOf(place)}.apart`) ? 'apart' : 'beside'
}

const petsOf = ({ device, folder }: KeeperPlace): string => join(folder, `${basename(device)}.pets`)

/** The clock is read first: whoever stands still in between is too early, never too late. */
function uptimeIn(within: TimeLeft): string {
  const seconds = uptime()
  return String(Math.floor(seconds * 100 + within() / 10))
}

/** The end to write to; undefined: nobody reads at the other one. */
function openPets(path: string): number | undefined {
  try {
    return openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENXIO') return undefined
    throw thrown
  }
}

/** Starts it, and waits until it closes its mouth: it has the device open then, or has ended. */
async function start(args: readonly string[]): Promise<void> {
  const child = spawn('sh', args, { detached: true, stdio: ['ignore', 'ignore', 'pipe'] })
  const over = new AbortController()
  try {
    const ready = once(child, 'spawn').then(() => text(child.stderr!))
    const late = sleep(startMsMax, undefined, { signal: over.signal })
    late.catch(() => {})
    const said = await Promise.race([ready, late])
    // It is not killed: it opens nothing any more once its time is over, and is found if it has.
    if (said === undefined) {
      throw new Fault('unavailable', `its keeper was not ready after ${startMsMax / 1_000} s`)
    }
    const because = said.trim()
    if (because !== '') throw new Fault('unavailable', because)
  } finally {
    over.abort()
    child.unref()
  }
}
