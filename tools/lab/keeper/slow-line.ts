/**
 * A slow and lossy line between a host and the switch, where the kernel has no netem.
 *
 *     host ── bridge ── tap ══ emulator ══ UDP ── relay ── UDP ══ emulator ══ tap ── switch
 *
 * Frames come out of the kernel by tap devices. Opening those takes an ioctl that Node has not, so
 * an emulator without a machine, of which only the hubs for networks are used, turns frames into
 * datagrams on the switch's loopback and back. The relay holds each for a while or drops it.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { Fault } from '#shared/fault.ts'
import type { Slowness } from '../protocol.ts'

/** One of a host's lines: its port on the switch, and the bridge where it belongs. */
export type Line = { readonly port: string; readonly bridge: string }

/** Runs a program in the switch's namespace. */
type Run = (
  line: readonly string[],
  input?: string,
  exitCodes?: readonly number[]
) => Promise<unknown>

/** First of the UDP ports; each line takes four. */
const portsFrom = 20_000
/** Relay and emulator are there within so long. Unit: ms. */
const startMsMax = 20_000

/** Names of what stands between a port and its bridge; the last is the port on the bridge. */
export const linksOf = (port: string) => {
  const short = port.replace('-net', 'n')
  return { inner: `si-${short}`, near: `sn-${short}`, far: `sf-${short}` }
}

/** Lines of one host, slow until it is disposed of. */
export class SlowLines implements AsyncDisposable {
  readonly slowness: Slowness
  readonly #lines: readonly Line[]
  readonly #run: Run
  readonly #children: ChildProcess[] = []

  private constructor(lines: readonly Line[], slowness: Slowness, run: Run) {
    this.#lines = lines
    this.slowness = slowness
    this.#run = run
  }

  /** Puts the relay between; `number` tells the lines of one host from those of others. */
  static async open(
    lines: readonly Line[],
    options: {
      readonly slowness: Slowness
      readonly number: number
      readonly switchPid: number
      readonly run: Run
    }
  ): Promise<SlowLines> {
    const { slowness, number, switchPid, run } = options
    const made = new SlowLines(lines, slowness, run)
    try {
      await made.#lay()
      const first = portsFrom + number * 4 * lines.length
      const relay = [process.execPath, `${import.meta.dirname}/slow-relay.ts`]
      const words = [slowness.delayMs, slowness.loss, first, lines.length].map(String)
      const ready = await made.#start(switchPid, [...relay, ...words])
      await answered(ready)
      const emulator = await made.#start(switchPid, emulatorLine(lines, first))
      await made.#untilCarried(emulator)
      return made
    } catch (cause) {
      await made[Symbol.asyncDispose]()
      throw new Fault('command', 'cannot make the links of a host slow', { cause })
    }
  }

  /** Makes the bridges and taps, and moves the ports over to them. */
  async #lay(): Promise<void> {
    for (const { port, bridge } of this.#lines) {
      const { inner, near, far } = linksOf(port)
      const batch = [
        `link add name ${inner} type bridge forward_delay 0`,
        `link set dev ${inner} up`,
        `tuntap add dev ${near} mode tap`,
        `tuntap add dev ${far} mode tap`,
        `link set dev ${near} master ${inner} up`,
        `link set dev ${far} master ${bridge} up`,
        `link set dev ${port} master ${inner}`
      ]
      await this.#run(['ip', '-batch', '-'], `${batch.join('\n')}\n`)
    }
  }

  async #start(switchPid: number, line: readonly string[]): Promise<ChildProcess> {
    const enter = ['nsenter', `--net=/proc/${switchPid}/ns/net`, '--']
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...enter, ...line], {
      cwd: '/',
      stdio: ['ignore', 'pipe', 'ignore']
    })
    this.#children.push(child)
    await once(child, 'spawn')
    return child
  }

  /** A tap has a carrier once the emulator holds it. */
  async #untilCarried(emulator: ChildProcess): Promise<void> {
    const until = performance.now() + startMsMax
    const links = this.#lines.flatMap(({ port }) => [linksOf(port).near, linksOf(port).far])
    for (const link of links) {
      while (!(await isCarried(this.#run, link))) {
        if (emulator.exitCode !== null || performance.now() > until) {
          throw new Fault('command', `the emulator does not hold ${link}`)
        }
        await sleep(20)
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const exit = once(child, 'exit')
      child.kill('SIGKILL')
      await exit
    }
    for (const { port, bridge } of this.#lines) {
      const { inner, near, far } = linksOf(port)
      await this.#run(['ip', 'link', 'set', 'dev', port, 'master', bridge], undefined, [0, 1, 2])
      for (const link of [inner, near, far]) {
        await this.#run(['ip', 'link', 'delete', link], undefined, [0, 1])
      }
    }
  }
}

async function isCarried(run: Run, link: string): Promise<boolean> {
  const shown = (await run(['ip', '-json', 'link', 'show', 'dev', link])) as { stdout: string }
  return shown.stdout.includes('"LOWER_UP"')
}

/** Waits for the relay's first line. */
async function answered(child: ChildProcess): Promise<void> {
  const lines = createInterface({ input: child.stdout! })
  const signal = AbortSignal.timeout(startMsMax)
  await Promise.race([
    once(lines, 'line', { signal }),
    once(child, 'exit', { signal }).then(() => {
      throw new Fault('command', 'the relay ended at once')
    })
  ])
}

/** A hub for each tap, with a datagram socket as its other plug. */
function emulatorLine(lines: readonly Line[], first: number): readonly string[] {
  const hubs = lines.flatMap(({ port }, index) => {
    const { near, far } = linksOf(port)
    const [toNear, fromNear, toFar, fromFar] = [0, 1, 2, 3].map(at => first + index * 4 + at)
    return [
      { tap: near, local: toNear, remote: fromNear },
      { tap: far, local: toFar, remote: fromFar }
    ]
  })
  const words = hubs.flatMap(({ tap, local, remote }, hub) => [
    '-netdev',
    `tap,id=tap${hub},ifname=${tap},script=no,downscript=no`,
    '-netdev',
    `hubport,id=a${hub},hubid=${hub},netdev=tap${hub}`,
    '-netdev',
    `socket,id=udp${hub},udp=127.0.0.1:${remote},localaddr=127.0.0.1:${local}`,
    '-netdev',
    `hubport,id=b${hub},hubid=${hub},netdev=udp${hub}`
  ])
  const bare = ['-M', 'none', '-nodefaults', '-display', 'none', '-monitor', 'none']
  return ['qemu-system-x86_64', ...bare, ...words]
}
