/**
 * Serves machines that boot over the network, by the plan that was told last; see docs/netboot.md.
 *
 * What it needs may not be there yet when it starts, such as its interface, or may go away. So it
 * comes up in a loop: until all is as it must be it says why not, and tries again. Nothing of that
 * ends bootd, which fences hosts as well.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '#shared/clock.ts'
import { Fault, isFault, sentence } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import type { Ms } from '#shared/units.ts'
import type { BootPlan, BootReport } from '#shared/wire/boot.ts'
import { indexPlan, type PlanIndex } from '../../core/boot-plan.ts'
import type { MachineBoot } from '../../core/boot-progress.ts'
import { boundedBoots } from '../../core/boot-report.ts'
import type { BootNetwork, BootWords } from '../../core/boot-settings.ts'
import { dnsmasqConf } from '../../core/dnsmasq-conf.ts'
import type { Sent } from '../../core/dnsmasq-log.ts'
import { DnsmasqTroubles } from '../../core/dnsmasq-troubles.ts'
import type { LogFileBounds } from '../../core/host-log-files.ts'
import { Problems } from '../../core/problems.ts'
import { Boots } from './boots.ts'
import { macOfNeighbour, neighbours } from './dhcp-probe.ts'
import { Dnsmasq, readyFileOf } from './dnsmasq.ts'
import { gatherFirmware } from './firmware.ts'
import { GrubFiles, grubScriptName, grubVersionOf } from './grub-files.ts'
import { GrubKeeper } from './grub-keeper.ts'
import { HostLogs } from './host-logs.ts'
import { BootHttp } from './http.ts'
import { keepVersions } from './image-fetch.ts'
import { ImageStore } from './images.ts'
import { LogReceiver } from './log-receiver.ts'
import { readyNetwork, watchNetwork } from './network.ts'
import { OtherServers } from './other-servers.ts'
import { KeptBoots, KeptPlan, readBoots, readPlan } from './plan-file.ts'

/** Between two tries to come up, and two looks at what should have happened by now. Unit: ms. */
const [retryMs, tickMs]: readonly [Ms, Ms] = [5_000, 1_000]
/** How often it is looked at the interface, and for first files that are missing. Unit: ms. */
const [lookEveryMs, gatherEveryMs]: readonly [Ms, Ms] = [5_000, 60_000]

/** What it works with. */
export type BootServiceOptions = {
  readonly words: BootWords
  /** Folder of all state, and bootd's own in it. */
  readonly state: string
  readonly own: string
  readonly clock: Clock
  readonly log: Log
  /** Told whenever `report` says something else; it must not call back at once. */
  readonly onChanged: () => void
}

/** What may be wrong. */
type Part =
  | 'network'
  | 'plan'
  | 'boots'
  | 'probe'
  | 'dnsmasq'
  | 'addresses'
  | 'leases'
  | 'firmware'
  | 'grub'
  | 'images'
  | 'logs'
  | 'log-disk'
  | 'log-loss'
  | OtherPart
/** What bootd does beside that, and nobody else tells: keep the epoch, leave word where it is. */
type OtherPart = 'epoch' | 'word'

/** Serves boots until it is disposed of. */
export class BootService implements AsyncDisposable {
  readonly #options: BootServiceOptions
  readonly #closing = new AbortController()
  readonly #images: ImageStore
  readonly #boots: Boots
  readonly #grub: GrubKeeper
  readonly #kept: KeptPlan
  readonly #keptBoots: KeptBoots
  readonly #others: OtherServers
  /** What hosts have said in their logs. */
  readonly logs: HostLogs
  #receiver: LogReceiver | undefined
  #troubles: DnsmasqTroubles | undefined
  readonly #problems = new Problems<Part>()
  #loops: readonly Promise<void>[] = []
  #index: PlanIndex | undefined
  /** The plan as text, to see that another one says the same. */
  #print: string | undefined
  #turn: Promise<unknown> = Promise.resolve()
  #url: string | undefined

  private constructor(
    options: BootServiceOptions,
    given: {
      readonly images: ImageStore
      readonly logs: HostLogs
      readonly plan: BootPlan | undefined
      readonly kept: readonly MachineBoot[]
    }
  ) {
    const { clock, log } = options
    const { images, logs, plan, kept } = given
    const onChanged = (): void => {
      this.#keptBoots.note()
      options.onChanged()
    }
    this.#options = options
    this.#images = images
    this.logs = logs
    if (plan) this.#follow(plan)
    const own = { index: () => this.#index, versions: (version: string) => images.state(version) }
    this.#boots = new Boots({ ...own, clock, log, onChanged, macOf: macOfNeighbour }, kept)
    const onProblem = (problem: string | undefined): void => this.#problem('grub', problem)
    this.#grub = new GrubKeeper({ boots: this.#boots, clock, onProblem })
    this.#others = new OtherServers({
      ...{ clock, log, signal: this.#closing.signal, onChanged: () => options.onChanged() },
      onProblem: problem => this.#problem('probe', problem)
    })
    this.#kept = new KeptPlan(planFileOf(options.own), text => this.#problem('plan', text))
    this.#keptBoots = new KeptBoots(bootsFileOf(options.own), {
      boots: () => this.#boots.all(),
      clock,
      onProblem: text => this.#problem('boots', text)
    })
  }

  /** Begins to serve, by the plan that was kept. */
  static async open(options: BootServiceOptions): Promise<BootService> {
    const { own, clock, log, onChanged } = options
    const plan = await readPlan(planFileOf(own), log)
    let service: BootService | undefined
    const folder = join(own, 'images')
    const onImages = (): void => {
      if (service) service.#grub.look()
      onChanged()
    }
    const images = await ImageStore.open({ folder, plan, clock, log, onChanged: onImages })
    const kept = await readBoots(bootsFileOf(own), { clock, log })
    const logBounds = logBoundsOf(options.words)
    const isPlanned = (host: string) => !service || service.#boots.isPlanned(host)
    const logFolder = join(own, 'logs')
    const logs = await HostLogs.open({
      ...{ folder: logFolder, bounds: logBounds, isPlanned, clock, log }
    })
    service = new BootService(options, { images, logs, plan, kept })
    if (plan) log.info('goes by the boot plan that was kept', { epoch: plan.epoch })
    if (options.words.bootMode !== 'off') {
      const { signal } = service.#closing
      const grub = service.#grub.keep(signal)
      service.#loops = [service.#serve(), service.#tick(), service.#fetch(), grub]
    }
    return service
  }

  /**
   * What hosts boot from now on, also where it cannot be written down. Fault `stale`: it is of a
   * lower epoch than one seen.
   */
  async want(plan: BootPlan): Promise<void> {
    const turn = this.#turn.then(async () => {
      const seen = this.#index?.plan.epoch ?? 0
      if (plan.epoch < seen) {
        throw new Fault('stale', `cannot take a boot plan of epoch ${plan.epoch}: ${seen} was seen`)
      }
      const print = JSON.stringify(plan)
      if (print === this.#print) return
      this.#follow(plan)
      this.#grub.look()
      this.#print = print
      await this.#kept.keep(plan)
      const { epoch, machines, images } = plan
      const counts = { machines: machines.length, images: images.length }
      this.#options.log.info('takes a boot plan', { epoch, ...counts })
    })
    this.#turn = turn.catch(() => {})
    await turn
  }

  /** How the service stands, and each machine that has booted here. */
  report(): BootReport {
    return {
      type: 'boot-report',
      mode: this.#options.words.bootMode,
      ...(this.#url !== undefined && { url: this.#url }),
      ...this.#problems.report(),
      foreign: this.#others.foreign,
      images: this.#images.reports(),
      boots: boundedBoots(this.#boots.states())
    }
  }

  /** Why something beside boots is not as it should be; undefined: it is. */
  tellProblem(of: OtherPart, problem: string | undefined): void {
    this.#problem(of, problem)
  }

  #follow(plan: BootPlan): void {
    this.#index = indexPlan(plan)
    this.#images.follow(plan)
    this.#options.onChanged()
  }

  async #serve(): Promise<void> {
    const { clock } = this.#options
    const { signal } = this.#closing
    while (!signal.aborted) {
      try {
        await this.#serveOnce()
      } catch (thrown) {
        if (!isFault(thrown)) this.#options.log.error('boots', { because: sentence(thrown) })
        this.#problem('network', sentence(thrown))
      }
      await clock.sleep(retryMs, signal).catch(() => undefined)
    }
  }

  /** Serves until it is over; Fault: it cannot begin. */
  async #serveOnce(): Promise<void> {
    const { words, state, own, clock, log } = this.#options
    const network = await readyNetwork(words, log)
    if (network.mode === 'full') await this.#others.refuseBeside(network)
    if (this.#closing.signal.aborted) return
    const folder = join(state, 'run', 'boot')
    await mkdir(folder, { recursive: true, mode: 0o755 })
    const firmware = join(folder, 'tftp')
    await using http = await BootHttp.open({
      ...{ address: network.own.address, port: words.bootPort, boots: this.#boots },
      ...{ images: this.#images, index: () => this.#index, firmware, clock, log },
      transfersMax: words.bootTransfersMax,
      clientBytesPerS: words.bootClientMibPerS * 1024 * 1024
    })
    await using _logs = await this.#takeLogs(network, http.port)
    await this.#grub.use(undefined)
    const gather = async (): Promise<void> => {
      const wish = { folder: firmware, own: join(own, 'firmware'), loader: network.loader }
      this.#problem('firmware', await gatherFirmware(wish))
    }
    await gather()
    const given = { url: http.url, images: this.#images }
    if (network.loader === 'signed') await this.#grub.use(await GrubFiles.open(firmware, given))
    const paths = {
      leaseFile: join(own, 'leases'),
      tftpFolder: firmware,
      readyFile: readyFileOf(folder)
    }
    const troubles = new DnsmasqTroubles(network)
    this.#troubles = troubles
    await using _ = await Dnsmasq.start(
      {
        ...{ folder, clock, log },
        onAddressed: seen => this.#boots.saw(seen),
        onSent: sent => this.#sent(sent),
        onWord: word => {
          const because = troubles.hear(word, clock.monotonic())
          if (because !== undefined) log.warn('dnsmasq of network boot warns', { because })
        },
        onProblem: problem => this.#problem('dnsmasq', problem)
      },
      dnsmasqConf(network, paths, http.url)
    )
    this.#problem('network', undefined)
    this.#url = http.url
    log.info('serves boots', { url: http.url, mode: network.mode, interface: network.interface })
    this.#options.onChanged()
    try {
      await this.#watch(network, gather)
    } finally {
      this.#url = undefined
    }
  }

  /** Logs are taken at the port of HTTP; machines boot also where they cannot be. */
  async #takeLogs(network: BootNetwork, port: number): Promise<LogReceiver | undefined> {
    const { clock, log } = this.#options
    const { address } = network.own
    const whose = (from: string, mac?: string) => this.#boots.whose(from, mac)
    try {
      const receiver = await LogReceiver.open({
        ...{ address, port, whose, neighbours, logs: this.logs, clock, log }
      })
      this.#problem('logs', undefined)
      this.#receiver = receiver
      return receiver
    } catch (thrown) {
      if (!isFault(thrown)) throw thrown
      this.#problem('logs', sentence(thrown))
      this.#receiver = undefined
      return undefined
    }
  }

  /**
   * Looks at the interface and for other servers, and gathers again what was not all there. Faults:
   * `unavailable`: the interface is not as it was; `conflict`: another boot service goes on.
   */
  async #watch(network: BootNetwork, gather: () => Promise<void>): Promise<void> {
    const { clock, log } = this.#options
    const { signal } = this.#closing
    const look = await watchNetwork(network)
    this.#others.begun()
    let gatheredAt = clock.monotonic()
    while (!signal.aborted) {
      await clock.sleep(lookEveryMs, signal).catch(() => undefined)
      if (signal.aborted) return
      await look().catch(thrown => {
        // That it cannot be looked at ends no transfer.
        if (!isFault(thrown) || isFault(thrown, 'unavailable')) throw thrown
        log.warn('boot network is not looked at', { because: sentence(thrown) })
      })
      if (this.#problems.has('firmware') && clock.monotonic() - gatheredAt >= gatherEveryMs) {
        gatheredAt = clock.monotonic()
        await gather()
      }
      if (network.mode === 'full') await this.#others.lookAgain(network)
    }
  }

  #problem(of: Part, problem: string | undefined): void {
    const { clock, log } = this.#options
    if (!this.#problems.set(of, problem, clock.wall())) return
    if (problem !== undefined) {
      log.warn('boots are not served as they should be', { because: problem })
    }
    this.#options.onChanged()
  }

  async #tick(): Promise<void> {
    const { clock } = this.#options
    const { signal } = this.#closing
    while (!signal.aborted) {
      await clock.sleep(tickMs, signal).catch(() => undefined)
      this.#boots.expire()
      this.#problem('log-disk', this.logs.problem)
      this.#problem('log-loss', this.#receiver?.problem)
      const now = clock.monotonic()
      this.#problem('addresses', this.#troubles?.addresses(now))
      this.#problem('leases', this.#troubles?.leases(now))
      await this.#keptBoots.write()
      await this.#kept.retry()
    }
  }

  /** What GRUB reads is all that it says of a machine until a system of ours runs there. */
  #sent({ path, address }: Sent): void {
    const name = grubScriptName(path)
    if (name !== undefined) this.#boots.tookScript(name, address)
    const version = grubVersionOf(path)
    if (version !== undefined) this.#boots.tookKernel(version, address)
  }

  async #fetch(): Promise<void> {
    const { clock, log, words } = this.#options
    const given = { images: this.#images, plan: () => this.#index?.plan, clock, log }
    const onProblem = (problem: string | undefined): void => this.#problem('images', problem)
    const options = { ...given, freeMibMin: words.bootFreeMibMin, onProblem }
    await keepVersions(options, this.#closing.signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    await Promise.all(this.#loops)
    await this.#turn
    await this.#images[Symbol.asyncDispose]()
    await this.logs[Symbol.asyncDispose]()
  }
}

/** Of each host the last few boots, of each boot the last few MiB. */
const logBoundsOf = ({ bootLogMibMax }: BootWords): LogFileBounds => ({
  fileBytesMax: 2 * 1024 * 1024,
  bootsMax: 4,
  strangersMax: 16,
  bytesMax: bootLogMibMax * 1024 * 1024
})

const planFileOf = (own: string): string => join(own, 'boot-plan.json')
const bootsFileOf = (own: string): string => join(own, 'boots.json')
