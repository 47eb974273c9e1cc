/**
 * One connection to the serial line of a machine, by ipmitool. It reads its input only from a
 * terminal, so it gets one from script(1). Typing waits until it is connected: before that, the
 * terminal would echo it. Its input is never ended, which would be a key press at the machine.
 *
 * A connection that was cut is still open for its baseboard controller, which lets in one at a
 * time: so it is taken back afterwards.
 */
import { realClock } from '#shared/clock.ts'
import { within } from '#shared/deadline.ts'
import { isFault, sentence } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import { deviceName, type IpmiDevice } from '#shared/model/fence.ts'
import { type Piped, run, startPiped } from '#shared/process.ts'
import { formatMs, type Ms } from '#shared/units.ts'
import type { Viewer } from '#shared/wire/channel-relay.ts'
import { escapeByte, readBeginning, typeable, whyNot } from '../../core/sol-output.ts'

/** Within so long it must be connected, and taken back. Unit: ms. */
const [connectMsMax, takeBackMsMax]: readonly [Ms, Ms] = [20_000, 10_000]
/** And an earlier one must be gone: it is killed, and taken back. Unit: ms. */
const endMsMax: Ms = 15_000

/** Programs, as tests have others. */
export type SolPrograms = { readonly script: string; readonly ipmitool: string }

/** What is connected to, and for whom. */
export type SolOptions = {
  readonly device: IpmiDevice
  readonly password: string
  readonly viewer: Viewer
  /** Whether whoever has it open at the baseboard controller loses it. */
  readonly take: boolean
  /** Resolves once an earlier connection to the same device is gone. */
  readonly after: Promise<unknown>
  /** That must be within so long. Unit: ms. */
  readonly endMsMax?: Ms
  readonly programs: SolPrograms
  readonly log: Log
}

/**
 * Read by the shell of script(1), which gets no word of it as a command. When its terminal goes,
 * ipmitool shall not be killed by that: it reads its end and closes its session, of which baseboard
 * controllers have few, and fences need one.
 */
const line =
  "trap '' HUP; " +
  'exec "$SOL_PROGRAM" -I lanplus -H "$SOL_ADDRESS" -p "$SOL_PORT" -U "$SOL_USER" -E ' +
  '-L "$SOL_PRIVILEGE" $SOL_CIPHER -e "$SOL_ESCAPE" sol activate'

/** Connected from `begin` on until `leave`, or until it ends by itself. */
export class SolLine {
  readonly #options: SolOptions
  readonly #stop = new AbortController()
  readonly #ready = Promise.withResolvers<Piped | undefined>()
  #connecting: string | undefined = ''
  /** Resolves once all of it is gone. */
  readonly over: Promise<void>

  private constructor(options: SolOptions) {
    this.#options = options
    this.over = this.#run()
  }

  /** Begins to connect; the viewer is told how it goes on. */
  static begin(options: SolOptions): SolLine {
    return new SolLine(options)
  }

  /** Passes on what is typed, once it is connected. */
  async write(bytes: Uint8Array): Promise<void> {
    const child = await this.#ready.promise
    await child?.write(typeable(bytes))
  }

  /** Ends it. */
  leave(): void {
    this.#stop.abort()
  }

  async #run(): Promise<void> {
    const { viewer, after, take, device, log } = this.#options
    const name = deviceName(device)
    let because = ''
    try {
      await this.#gone(after)
      if (take) await this.#takeBack(this.#stop.signal)
      if (!this.#stop.signal.aborted) {
        log.info('serial line of a machine is opened', { device: name })
        because = await this.#talk()
        log.info('serial line of a machine is closed', { device: name, because })
      }
    } catch (thrown) {
      because = sentence(thrown)
      if (!isFault(thrown)) log.error('serial line', { device: name, because })
    }
    this.#ready.resolve(undefined)
    viewer.ended(because)
  }

  /** Waits until the earlier connection is gone. Fault `deadline`, as where its process hangs. */
  async #gone(after: Promise<unknown>): Promise<void> {
    const { device, endMsMax: deadlineMs = endMsMax } = this.#options
    // Also where nobody wants it any more: whoever comes next waits for this one.
    const { signal } = new AbortController()
    const before = `the connection before is not closed after ${formatMs(deadlineMs)}`
    const late = `cannot open the serial line of ${deviceName(device)}: ${before}`
    await within(after, { clock: realClock, deadlineMs, signal, late })
  }

  /** Talks until one side ends; gives why, empty where it was us. */
  async #talk(): Promise<string> {
    const { programs, device, password } = this.#options
    const { signal } = this.#stop
    let child: Piped | undefined
    const onBytes = (bytes: Uint8Array): void => this.#hear(bytes, child)
    child = await startPiped(programs.script, ['-qefc', line, '/dev/null'], {
      environment: { ...variablesOf(device, programs), IPMI_PASSWORD: password },
      onBytes
    })
    const started = child
    const late = setTimeout(() => {
      if (this.#connecting !== undefined) started.end('SIGKILL')
    }, connectMsMax)
    // ipmitool ends with its terminal; of SIGTERM script(1) makes seconds.
    const stop = (): void => started.end('SIGKILL')
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
    const how = await started.ended
    clearTimeout(late)
    signal.removeEventListener('abort', stop)
    const { viewer } = this.#options
    const said = this.#connecting
    // It was never ours: what is open there is somebody else's.
    if (said !== undefined) {
      const open = `cannot open the serial line of ${deviceName(device)}`
      return signal.aborted ? '' : `${open}: ${whyNot(said, how)}`
    }
    // The viewer need not wait until it may be opened again.
    if (!signal.aborted) viewer.ended(`${deviceName(device)} has ended the connection`)
    await this.#takeBack()
    return ''
  }

  #hear(bytes: Uint8Array, child: Piped | undefined): void {
    if (this.#stop.signal.aborted) return
    if (this.#connecting === undefined) {
      this.#options.viewer.output(new Uint8Array(bytes))
      return
    }
    const read = readBeginning(this.#connecting, bytes)
    if (read.state === 'connecting') {
      this.#connecting = read.said
      return
    }
    this.#connecting = undefined
    this.#ready.resolve(child)
    if (read.rest.length > 0) this.#options.viewer.output(read.rest)
  }

  /** What is open at the baseboard controller is closed there; that it was not is no fault. */
  async #takeBack(signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return
    const { programs, device, password, log } = this.#options
    const { address, port, user, privilege, cipherSuite } = device
    const suite = cipherSuite === undefined ? [] : ['-C', String(cipherSuite)]
    const who = ['-H', address, '-p', String(port), '-U', user, '-E', '-L', privilege.toUpperCase()]
    try {
      await run(programs.ipmitool, ['-I', 'lanplus', ...who, ...suite, 'sol', 'deactivate'], {
        deadlineMs: takeBackMsMax,
        signal,
        environment: { IPMI_PASSWORD: password },
        exitCodes: [0, 1]
      })
    } catch (thrown) {
      if (!isFault(thrown)) throw thrown
      if (signal?.aborted) return
      log.warn('serial line is not given back', { because: sentence(thrown) })
    }
  }
}

const variablesOf = (device: IpmiDevice, { ipmitool }: SolPrograms) => ({
  SOL_PROGRAM: ipmitool,
  SOL_ADDRESS: device.address,
  SOL_PORT: String(device.port),
  SOL_USER: device.user,
  SOL_PRIVILEGE: device.privilege.toUpperCase(),
  SOL_CIPHER: device.cipherSuite === undefined ? '' : `-C ${device.cipherSuite}`,
  SOL_ESCAPE: String.fromCharCode(escapeByte)
})
