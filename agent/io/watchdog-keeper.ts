/**
 * Who holds a watchdog open: a small program of its own that outlives the agent. The kernel pets a
 * watchdog once more when it is closed, so if the agent held it, its death would put off the end of
 * its host by the watchdog's whole time. Nothing but root's own hand ends the keeper: it uses no
 * memory to speak of, is never chosen when memory is short, and leaves the agent's control group.
 *
 * It is told through a FIFO until when it may pet, and looks at the clock itself before it does, so
 * what comes late pets nobody. The next run of the agent finds it by that FIFO.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { uptime } from 'node:os'
import { basename, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { Fault } from '#shared/fault.ts'
import type { Ms } from '#shared/units.ts'

/** It opens a file or two; a machine that is that slow has other troubles. Unit: ms. */
const startMsMax: Ms = 10_000

/**
 * Its arguments: the device, the FIFO, until when it may begin, and the control group in which it
 * lives, if there is one. Times are hundredths of a second since the machine was booted.
 */
const program = `
device=$1 pets=$2 until=$3 group=$4
in_time() { read -r up _ </proc/uptime; [ "\${up%.*}\${up#*.}" -lt "$1" ]; }
trap '' HUP INT
{ echo -1000 >/proc/self/oom_score_adj; } 2>/dev/null
{ [ -w "$group" ] && echo $$ >"$group"; } 2>/dev/null
rm -f "$pets.new"
mkfifo -m 600 "$pets.new" || exit
exec 8<>"$pets.new"
in_time "$until" || { echo 'this host had no lease any more' >&2; exit 1; }
exec 9<>"$device"
printf . >&9 || exit
mv -f "$pets.new" "$pets" || exit
exec </dev/null >/dev/null 2>&1
while read -r until <&8; do
  in_time "$until" || continue
  printf . >&9 || break
done
# Whoever writes learns so that nobody pets any more; it stays open.
exec 8<&-
while :; do sleep 3600; done
`

/** Where the keeper of a device is found, and in which control group it lives. */
export type KeeperPlace = {
  readonly device: string
  readonly folder: string
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
  static async of(place: KeeperPlace, withinMs: Ms): Promise<WatchdogKeeper> {
    const until = uptimeIn(withinMs)
    const pets = join(place.folder, `${basename(place.device)}.pets`)
    const running = openPets(pets)
    if (running !== undefined) return new WatchdogKeeper(running)
    await mkdir(place.folder, { recursive: true })
    await start(['-c', program, 'remuda-watchdog', place.device, pets, until, place.group])
    const fd = openPets(pets)
    if (fd === undefined) throw new Fault('unavailable', 'its keeper ended as soon as it began')
    return new WatchdogKeeper(fd)
  }

  /** Pets, if that happens within this time; throws where nobody is left who could. */
  pet(withinMs: Ms): void {
    writeSync(this.#fd, `${uptimeIn(withinMs)}\n`)
  }

  [Symbol.dispose](): void {
    if (this.#isOpen) closeSync(this.#fd)
    this.#isOpen = false
  }
}

const uptimeIn = (ms: Ms): string => String(Math.floor(uptime() * 100 + ms / 10))

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
    if (said === undefined) {
      child.kill('SIGKILL')
      throw new Fault('unavailable', `its keeper was not ready after ${startMsMax / 1_000} s`)
    }
    const because = said.trim()
    if (because !== '') throw new Fault('unavailable', because)
  } finally {
    over.abort()
    child.unref()
  }
}
