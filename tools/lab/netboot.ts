/**
 * Machines of a lab that boot over the network: the first host's bootd gives them addresses and the
 * host image, their baseboard controllers give them power, and what comes up is a host of the cloud
 * like any other. Each step first looks whether it is done already.
 */
import { cp, mkdir, readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Fault } from '#shared/fault.ts'
import { exists } from '#shared/files.ts'
import { claimWords, type HostClaims } from '#shared/model/host-claims.ts'
import { isInstalled, run } from '#shared/process.ts'
import { loadSigningKeys, publicKeyText } from '#shared/signify.ts'
import type { BootState } from '#shared/wire/boot.ts'
import { listResources, patchResource, readJson, sayVerb } from '../cli/api/resources.ts'
import { readyHostImage } from '../host-image/ready.ts'
import type { Say, Tell } from '../up/say.ts'
import { cipherSuite } from './bmc/ipmi.ts'
import { bmcPorts, bmcSecret, bmcUser, fenceDeviceOf, readBmcPassword } from './bmc/place.ts'
import { folderOf, hostFolderOf } from './folder.ts'
import { sharedTag } from './keeper/machine.ts'
import type { Ended, Lab } from './lab.ts'
import { fencedBy, type MachinePlan } from './plan.ts'

/** A machine is a host after at most so long, by emulation on a busy machine. Unit: ms. */
const joinMsMax = 900_000
/** bootd has read and checked an image after at most so long. Unit: ms. */
const imageMsMax = 120_000
const lookMs = 500

/** A version that machines boot, and the file of the key that has signed it. */
type Image = { readonly folder: string; readonly key: string }

/**
 * A host image that is made while the lab comes up: most of the time a build waits for one
 * processor or for the network. Disposing of it ends a build that is not done.
 */
export class ComingImage implements AsyncDisposable {
  readonly #abort = new AbortController()
  readonly #made: Promise<Image>
  #tell: Tell = () => {}

  private constructor(store: string | undefined) {
    this.#made = imageFor(store, { tell: line => this.#tell(line), signal: this.#abort.signal })
    // Whoever waits for it is told why there is none.
    this.#made.catch(() => {})
  }

  /** Begins to build a version, or takes one from the store that was named. */
  static begin(store: string | undefined): ComingImage {
    return new ComingImage(store)
  }

  /** Gives it once it is there, and tells how far it is from now on. */
  async wait(tell: Tell): Promise<Image> {
    this.#tell = tell
    return await this.#made
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort()
    await this.#made.catch(() => {})
  }
}

/** Has all machines boot, lets them in, and gives the cloud what cuts their power. */
export async function bootMachines(lab: Lab, image: ComingImage, say: Say): Promise<void> {
  const { machines = [] } = lab.plan
  const version = await say.step('host image', async tell => {
    return await giveImage(lab, await image.wait(tell), tell)
  })
  await say.step('boot service', async () => await promote(lab, version))
  let hosts: readonly NewHost[] = []
  await say.step('machines', async tell => {
    for (const machine of machines) await powerOn(lab, machine)
    hosts = await Promise.all(machines.map(machine => untilHost(lab, machine, tell)))
    tell(hosts.map(({ is }) => is).join(', '))
  })
  for (const { is, says } of hosts) if (says !== undefined) say.line(`    ${is}: ${says}`)
  for (const line of await timeLines(lab)) say.line(`    ${line}`)
}

/** The version that machines boot, in the store of the first host's bootd. */
async function giveImage(lab: Lab, { folder, key }: Image, tell: Tell): Promise<string> {
  const { plan } = lab
  const version = basename(folder)
  await giveVersion(lab, folder)
  await lab.api.ask({
    method: 'PATCH',
    path: '/v1/boot',
    body: {
      imageKey: key.trim().split('\n').at(-1),
      joinWithinS: joinMsMax / 1_000,
      kernelOptions: kernelOptionsOf(plan.folder),
      sshKeys: await operatorKeys(plan.folder)
    },
    doing: 'set how machines boot'
  })
  tell(version)
  return version
}

const keyMsMax = 30_000
/** A machine that is busy with its boot answers after at most so long. Unit: s. */
const answerSMax = 120

/** The key by which whoever owns the lab gets into its machines; made where there is none. */
async function operatorKeys(folder: string): Promise<readonly string[]> {
  const path = folderOf(folder).machineKey
  if (!isInstalled('ssh-keygen')) return []
  if (!(await exists(path))) {
    const words = ['-q', '-t', 'ed25519', '-N', '', '-C', 'remuda lab', '-f', path]
    await run('ssh-keygen', words, { deadlineMs: keyMsMax })
  }
  return [(await readFile(`${path}.pub`, 'utf8')).trim()]
}

/** Runs a line as root in a machine that has booted, by ssh; ends with 255 where it has not. */
export async function runInside(lab: Lab, machine: string, line: string): Promise<Ended> {
  const { uuid } = lab.plan.machines!.find(({ name }) => name === machine)!
  const boot = (await bootsOf(lab)).find(one => one.uuid === uuid)
  if (boot?.address === undefined) {
    throw new Fault('unavailable', `cannot get into ${machine}: it has no address yet`)
  }
  const settings = [
    ...['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR'],
    ...['BatchMode=yes', `ConnectTimeout=${answerSMax}`]
  ].flatMap(each => ['-o', each])
  const words = ['ssh', '-i', folderOf(lab.folder).machineKey, ...settings, `root@${boot.address}`]
  return await lab.run('switch', [...words, line], { deadlineMs: 2 * answerSMax * 1_000 })
}

/** A version in the store that was named, or one that is built once for all labs. */
async function imageFor(
  store: string | undefined,
  { tell, signal }: { readonly tell: Tell; readonly signal: AbortSignal }
): Promise<Image> {
  if (store === undefined) {
    const { folder, keys } = await readyHostImage({ progress: tell, signal })
    return { folder, key: publicKeyText(keys) }
  }
  const versions = (await readdir(store)).filter(name => /^[0-9a-f]{16}$/.test(name))
  const version = versions.toSorted().at(-1)
  if (version === undefined) {
    throw new Fault('not-found', `cannot boot machines: there is no host image in ${store}`, {
      next: [`remuda host-image build --profile minimal --out ${store} --key ${store}/image.key`]
    })
  }
  const keys = await loadSigningKeys(join(store, 'image.key'))
  return { folder: join(store, version), key: publicKeyText(keys) }
}

/**
 * Interfaces are called as in the lab's other hosts, and the pool that all see is where it is. The
 * kernel's tests of its own ciphers take half a second where the processor is emulated.
 */
const kernelOptionsOf = (folder: string): string =>
  'cryptomgr.notests net.ifnames=0 ' +
  `remuda.mount=9p,${sharedTag},${folderOf(folder).shared},trans=virtio`

/** Puts a version into the store of the first host's bootd; its folder is named by it. */
export async function giveVersion({ plan }: Lab, folder: string): Promise<void> {
  const first = plan.hosts[0]!.name
  const images = join(hostFolderOf(plan.folder, first).state, 'bootd/images')
  await mkdir(images, { recursive: true, mode: 0o700 })
  const place = join(images, folder.split('/').at(-1)!)
  if (!(await exists(place))) await cp(folder, place, { recursive: true })
}

/** Makes a version the current one, once bootd has it. */
export async function promote(lab: Lab, version: string): Promise<void> {
  const doing = `promote host image ${version}`
  const until = performance.now() + imageMsMax
  for (;;) {
    const answer = await lab.api.ask({ method: 'GET', path: '/v1/host-images', doing })
    const { items } = readJson(answer, doing) as {
      readonly items: readonly { readonly version: string; readonly bootds: readonly string[] }[]
    }
    if (items.some(one => one.version === version && one.bootds.length > 0)) break
    if (performance.now() > until) {
      throw new Fault('deadline', `bootd has no image ${version} after ${imageMsMax} ms`, {
        next: [`remuda lab logs ${lab.plan.hosts[0]!.name} bootd`]
      })
    }
    await sleep(lookMs)
  }
  const path = `/v1/host-images/${version}/promote`
  await lab.api.ask({ method: 'POST', path, body: {}, doing })
}

/** Gives a machine its power as an operator would: by its baseboard controller. */
export async function powerOn(lab: Lab, { bmc }: MachinePlan): Promise<void> {
  const password = await readBmcPassword(lab.folder)
  const line = ['ipmitool', '-I', 'lanplus', '-H', bmc, '-p', String(bmcPorts.ipmi)]
  const login = ['-U', bmcUser, '-E', '-C', String(cipherSuite)]
  const asked = [...line, ...login, 'chassis', 'power', 'on']
  const run = ['env', `IPMITOOL_PASSWORD=${password}`, ...asked]
  const { code, stderr } = await lab.run(lab.plan.hosts[0]!.name, run)
  if (code === 0) return
  throw new Fault('command', `cannot switch on ${bmc}: ipmitool exits ${code}`, {
    reasons: [stderr.trim()],
    next: ['remuda lab status']
  })
}

/** Which host a machine is, and what it said of itself while it waited to be let in. */
type NewHost = { readonly is: string; readonly says: string | undefined }

/**
 * Lets a machine in once it knocks, gives its fence device once it is online, and waits until it
 * has told the last stage of its boot, which comes a moment later.
 */
async function untilHost(lab: Lab, machine: MachinePlan, tell: Tell): Promise<NewHost> {
  const { api, plan } = lab
  const until = performance.now() + joinMsMax
  let isGiven = false
  let says: string | undefined
  for (;;) {
    const { items } = await listResources(api, 'host', {})
    const host = items.find(({ status }) => status['uuid'] === machine.uuid)
    const phase = host === undefined ? undefined : String(host.status['phase'])
    // As an operator would: it is looked at what the machine says of itself.
    const claims = host?.status['claims'] as HostClaims | undefined
    if (host && phase === 'pending' && claims) {
      says ??= claimWords(claims)
      await sayVerb(api, { kind: 'host', name: host.name }, 'approve', {})
    }
    if (host && phase === 'online' && !isGiven) {
      await giveDevice(lab, machine, host.name)
      isGiven = true
    }
    const boots = await bootsOf(lab)
    const isTold = boots.some(({ uuid, stage }) => uuid === machine.uuid && stage === 'joined')
    if (host && isGiven && isTold) return { is: `${machine.name} is ${host.name}`, says }
    tell(boots.map(boot => `${nameOf(lab, boot)} ${farOf(boot)}`).join(', '))
    if (performance.now() > until) {
      const console = join(hostFolderOf(plan.folder, machine.name).own, 'console.log')
      throw new Fault('deadline', `${machine.name} is no host after ${joinMsMax} ms`, {
        reasons: [
          phase === undefined ? 'it has not knocked' : `it is ${phase}`,
          ...(isGiven ? ['its boot was not told to the end'] : [])
        ],
        next: ['remuda host boot-log', `see ${console}`]
      })
    }
    await sleep(lookMs)
  }
}

async function giveDevice(lab: Lab, machine: MachinePlan, host: string): Promise<void> {
  const { api, plan } = lab
  const body = { value: await readBmcPassword(plan.folder) }
  const doing = `set secret ${bmcSecret}`
  await api.ask({ method: 'PUT', path: `/v1/secrets/${bmcSecret}`, body, doing })
  const type = fencedBy(plan, machine.name)
  const device = await fenceDeviceOf(plan, machine.name, type)
  await patchResource(
    api,
    { kind: 'host', name: host },
    { spec: { fence: [{ devices: [device] }] } }
  )
}

/** The last boot of each machine that the cloud knows of. */
export async function bootsOf({ api }: Lab): Promise<readonly BootState[]> {
  const doing = 'list the boots of machines'
  const answer = await api.ask({ method: 'GET', path: '/v1/boots', doing })
  return (readJson(answer, doing) as { readonly items: readonly BootState[] }).items
}

const nameOf = ({ plan }: Lab, { uuid, macs }: BootState): string =>
  (plan.machines ?? []).find(one => one.uuid === uuid || macs.includes(one.macs[0]))?.name ??
  uuid ??
  '?'

const farOf = ({ stage, percent }: BootState): string =>
  percent === undefined ? stage : `${stage} ${percent} %`

/** When each stage of each machine's boot began, from the first on. */
async function timeLines(lab: Lab): Promise<readonly string[]> {
  return (await bootsOf(lab)).map(
    boot => `${nameOf(lab, boot)} (${boot.firmware ?? '?'}): ${timeLine(boot)}`
  )
}

/** When each stage of a boot began, from the first on. */
export function timeLine({ stages }: Pick<BootState, 'stages'>): string {
  const begun = Date.parse(stages[0]?.at ?? '')
  return stages
    .map(({ stage, at }) => `${stage} ${((Date.parse(at) - begun) / 1_000).toFixed(1)} s`)
    .join(', ')
}
