/** A move that is under way in a lab, and what must be true once it is over. */
import { setTimeout as sleep } from 'node:timers/promises'
import { sentence } from '#shared/fault.ts'
import type { ResourceDocument } from '#shared/model/index.ts'
import type { Hypervisor } from '../../agent/core/ports.ts'
import { makeLibvirt } from '../../agent/io/libvirt/hypervisor.ts'
import type { Recorded } from '../bench/lab-records.ts'
import { until } from '../bench/takeover-checks.ts'
import { readJson, readResource, sayVerb } from '../cli/api/resources.ts'
import type { Lab } from '../lab/lab.ts'
import { runsOf } from '../lab/runs.ts'
import { changesIn, type Traces, tracesOn } from '../lab/traces.ts'

/** The instance that moves. */
export const web = { kind: 'instance' as const, name: 'web' }
/** Its domain. */
export const domain = 'default.web'
/** How fast it is sent where it must take some seconds. Unit: MiB a second. */
export const slowMib = 4
/** So much of the end of its console is told. Unit: characters. */
const lastWords = 400
/** How often it is looked where it runs. Unit: ms. */
const lookMs = 100

/** A move from one host of a lab to another. */
export type MoveScene = { readonly lab: Lab; readonly from: string; readonly to: string }

/** The instance as the cloud shows it. */
export const readWeb = (lab: Lab): Promise<ResourceDocument> => readResource(lab.api, web)

type Way = {
  readonly phase?: string
  readonly totalMib?: number
  readonly remainingMib?: number
}

/** How far it is on its way; undefined: it is not. */
export const wayOf = async (lab: Lab): Promise<Way | undefined> =>
  (await readWeb(lab)).status['move'] as Way | undefined

/** Begins a slow move, and resolves once a part of the memory is sent. */
export async function beginSlowly({ lab, to }: MoveScene, bandwidthMib = slowMib): Promise<void> {
  await sayVerb(lab.api, web, 'migrate', { body: { to, live: true, bandwidthMib } })
  await until('a part of it is sent', async () => {
    const { totalMib = 0, remainingMib = 0 } = (await wayOf(lab)) ?? {}
    return remainingMib > 0 && remainingMib < totalMib
  })
}

/** Begins one, and resolves once the instance runs at the target and misses memory there. */
export async function beginCrossing(scene: MoveScene, bandwidthMib = slowMib): Promise<void> {
  const { lab, from } = scene
  await beginSlowly(scene, bandwidthMib)
  await until('it crosses', async () => {
    const line = ['virsh', '-q', '-c', 'qemu:///system', 'migrate-postcopy', domain]
    return (await lab.run(from, line)).code === 0
  })
  await until('the controller knows that it crosses', async () => {
    return (await wayOf(lab))?.phase === 'crossing'
  })
}

/** Waits until it is no longer on its way, and runs; gives the host. */
export async function untilStill(lab: Lab): Promise<string> {
  let host = ''
  await until('web is no longer on its way, and runs', async () => {
    const { status, conditions } = await readWeb(lab)
    const ready = conditions.find(({ type }) => type === 'ready')?.status === 'true'
    host = String(status['host'])
    return status['move'] === undefined && ready && status['phase'] === 'running'
  })
  return host
}

/**
 * How often it has booted, by its own page. A boot takes seconds of a processor, which are minutes
 * where many want one: so it is waited for as long as its console says more than before.
 */
export async function bootsOf(lab: Lab): Promise<number> {
  let boots: number | undefined
  const look = async (): Promise<boolean> => {
    const address = ((await readWeb(lab)).status['addresses'] as readonly string[])[0]!
    const said = /^boots: (\d+)$/m.exec((await lab.http(address, { seconds: 20 })) ?? '')?.[1]
    boots = said === undefined ? undefined : Number(said)
    return boots !== undefined
  }
  for (let before = ''; boots === undefined; ) {
    await until('web answers', look).catch(async cause => {
      const says = await consoleOf(lab)
      if (says === before) {
        const last = JSON.stringify(says.slice(-lastWords))
        throw new Error(`${sentence(cause)}; its console says no more: ${last}`, { cause })
      }
      before = says
    })
  }
  return boots
}

/** What its console has said; empty: nothing, or it cannot be asked. */
async function consoleOf(lab: Lab): Promise<string> {
  const doing = 'read its console'
  const asked = { method: 'GET', path: '/v1/instances/web/log', doing } as const
  return await lab.api.ask(asked).then(
    ({ bytes }) => bytes.toString(),
    () => ''
  )
}

/** What `remuda why` tells of it that has happened since a moment. */
export async function whyOf(lab: Lab, since: number): Promise<readonly string[]> {
  const doing = 'ask why'
  const answer = await lab.api.ask({ method: 'GET', path: '/v1/instances/web/why', doing })
  const { history } = readJson(answer, doing) as { readonly history: readonly Recorded[] }
  const news = history.filter(({ at }) => Date.parse(at) >= since)
  return news.map(({ verb, because }) => `${verb}: ${because}`)
}

/** How each host looks without the instance, and with it. */
export type Grounds = ReadonlyMap<string, { readonly without: Traces; readonly holding: Traces }>

/** Waits until it runs on one host alone, and nothing of it is elsewhere; else throws what is. */
export async function untilOnlyOn(lab: Lab, grounds: Grounds, host: string): Promise<void> {
  let wrong: readonly string[] = []
  await until('all is as if nothing had been', async () => {
    wrong = await wrongIn(lab, grounds, host)
    return wrong.length === 0
  }).catch(cause => {
    throw new Error(`${cause.message}: ${wrong.join('; ')}`, { cause })
  })
}

async function wrongIn(lab: Lab, grounds: Grounds, host: string): Promise<readonly string[]> {
  const wrong: string[] = []
  for (const [name, domains] of await runsOf(lab)) {
    const wanted = name === host ? domain : ''
    if (domains.join() !== wanted) wrong.push(`${name} runs ${domains.join() || 'nothing'}`)
  }
  for (const [name, { without, holding }] of grounds) {
    const changes = changesIn(name === host ? holding : without, await tracesOn(lab, name))
    wrong.push(...changes.map(change => `${name}: ${change}`))
    const { status } = await readResource(lab.api, { kind: 'host', name })
    const [promised, wanted] = [Number(status['memoryPromisedMib']), name === host]
    if (promised > 0 !== wanted) wrong.push(`${name} has promised ${promised} MiB`)
  }
  return wrong
}

/**
 * Looks all the while where the instance is alive: not held still, as its copy at the target is
 * until it has come, nor paused, as what is left at the source is once it has left. Hosts cannot be
 * looked at in one moment, so one is looked at before and after the other: an instance that was
 * alive there both times, and on the other in between, ran twice.
 */
export class LifeWatch implements AsyncDisposable {
  /** As sentences. */
  readonly doubles: string[] = []
  looks = 0
  readonly #sides: ReadonlyMap<string, Hypervisor>
  readonly #over = new AbortController()
  readonly #looking: Promise<void>

  constructor(lab: Lab, hosts: readonly string[]) {
    this.#sides = new Map(
      hosts.map(host => {
        const paths = [lab.libvirtSocket(host)]
        return [host, makeLibvirt({ socketPaths: { qemu: paths, lxc: paths } })]
      })
    )
    this.#looking = this.#look(hosts)
  }

  async #look(hosts: readonly string[]): Promise<void> {
    const { signal } = this.#over
    const pairs = hosts.flatMap(one => hosts.map(other => [one, other] as const))
    while (!signal.aborted) {
      for (const [one, other] of pairs.filter(([one, other]) => one !== other)) {
        const [before, between, after] = [
          await this.#stateOn(one),
          await this.#stateOn(other),
          await this.#stateOn(one)
        ]
        this.looks += 1
        const alive = [before, between, after].every(state => state?.startsWith('running'))
        if (alive) this.doubles.push(`on ${one} ${before}, on ${other} ${between}`)
      }
      await sleep(lookMs, undefined, { signal }).catch(() => {})
    }
  }

  /** Undefined: it is not there, or its libvirt does not answer. */
  async #stateOn(host: string): Promise<string | undefined> {
    const domains = await this.#sides
      .get(host)!
      .domains()
      .catch(() => [])
    const found = domains.find(({ name }) => name === domain)
    return found && `${found.state} (${found.reason})`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort()
    await this.#looking
    for (const side of this.#sides.values()) await side[Symbol.asyncDispose]()
  }
}
