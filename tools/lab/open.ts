/**
 * Brings a lab up, and is the way to use it from programs. Each step first looks whether it is done
 * already, so that a second run is quick and changes nothing.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startDaemon } from '#shared/daemon.ts'
import { Fault, isFault } from '#shared/fault.ts'
import { exists } from '#shared/files.ts'
import { writePrivateFile } from '#shared/private-file.ts'
import { isInstalled } from '#shared/process.ts'
import { type JoinTokenContent, readJoinToken } from '#shared/wire/join-token.ts'
import { joinFileOf, writeJoinFile } from '../../agent/io/join-file.ts'
import { checkQemu } from '../qemu/home.ts'
import { makeSay, type Say } from '../up/say.ts'
import { takeTurn } from '../up/turn.ts'
import { zooKeeperHome } from '../zookeeper/home.ts'
import { statusOf } from './client.ts'
import { furnish } from './cloud.ts'
import { folderOf, hostFolderOf } from './folder.ts'
import { fakeTimeLibrary } from './keeper/daemons.ts'
import { uefi } from './keeper/machine.ts'
import { boundVariable, keeperDaemon, keeperProgram } from './keeper-process.ts'
import { Lab } from './lab.ts'
import { bootMachines, ComingImage } from './netboot.ts'
import { bmcsOf, isAlike, type LabPlan, type LabWish, membersOf, planLab } from './plan.ts'
import { buildPrograms } from './programs.ts'
import { readPlan, sweep } from './sweep.ts'

/** How a lab is opened. */
export type OpenOptions = LabWish & {
  /** The lab ends with this process; else it outlives it. */
  readonly isBound?: boolean
  /** Whether the cloud gets its images, the shared pool and its network; true when left out. */
  readonly isFurnished?: boolean
  /** Whether hosts that die are fenced by their power switches; true when left out. */
  readonly isFenced?: boolean
  /** Says how far it is; silent when left out. */
  readonly say?: Say
}

const quiet: Say = makeSay({ write: () => {} })
/** A daemon is ready after at most so long on a busy machine. Unit: ms. */
const readyMsMax = 120_000

/**
 * Brings a lab up, and gives it when all its hosts are online. Faults: `conflict`: another lab is
 * in this folder or has its addresses; `locked`; those of the steps.
 */
export async function openLab(options: OpenOptions): Promise<Lab> {
  const { folder, say = quiet } = options
  const plan = planLab(options)
  await using _turn = await takeTurn({
    state: folder,
    holder: 'remuda lab',
    waiting: holder => say.line(`  … waits until ${holder}, is done`)
  })
  const isThere = await findSame(plan)
  await using image = plan.machines && ComingImage.begin(plan.hostImages)
  if (!isThere)
    await say.step('clear away what is left', async tell => {
      tell((await sweep(folder)) ? 'of an earlier lab' : 'nothing')
    })
  let child: ChildProcess | undefined
  if (!isThere) {
    await layGround(plan, say)
    await say.step('build the programs', () => buildPrograms(folderOf(folder).programs))
    child = await say.step('switch', () => startKeeper(folder, options.isBound === true))
  }
  const lab = new Lab(plan, child)
  try {
    await say.step('power', async tell => tell(await powerOn(lab)))
    await say.step('controller', () => admitHosts(lab))
    await say.step('hosts', async tell => await untilOnline(lab, tell))
    if (options.isFurnished ?? true) await furnish(lab, say, { isFenced: true, ...options })
    if (image) await bootMachines(lab, image, say)
    return lab
  } catch (thrown) {
    if (child) await lab[Symbol.asyncDispose]()
    throw thrown
  }
}

/** The lab that runs in a folder. Fault `not-found`: there is none. */
export async function findLab(folder: string): Promise<Lab> {
  const plan = await readPlan(folder)
  if (plan) return new Lab(plan)
  throw new Fault('not-found', `cannot find a lab in ${folder}`, { next: ['remuda lab up'] })
}

/** Writes down what is to be made, before anything is. */
async function layGround(plan: LabPlan, say: Say): Promise<void> {
  const paths = folderOf(plan.folder)
  if (plan.clocks && !(await exists(fakeTimeLibrary))) {
    throw new Fault('unavailable', 'cannot make a lab whose clocks can be moved', {
      reasons: [`${fakeTimeLibrary} is not there`],
      next: ['apt-get install libfaketime', 'or leave --clocks out']
    })
  }
  if (bmcsOf(plan).length > 0 && !isInstalled('ipmi_sim')) {
    throw new Fault('unavailable', 'cannot make a lab with baseboard controllers', {
      reasons: ['ipmi_sim, which plays them, is not installed'],
      next: ['apt-get install openipmi', 'or leave --bmc out']
    })
  }
  if (plan.qemu !== undefined) await checkQemu(plan.qemu)
  if (plan.machines?.some(({ firmware }) => firmware === 'uefi') && !(await exists(uefi.code))) {
    throw new Fault('unavailable', 'cannot make a lab with machines that boot by UEFI', {
      reasons: [`their firmware ${uefi.code} is not there`],
      next: ['apt-get install ovmf', 'or one machine alone: --netboot 1']
    })
  }
  await mkdir(plan.folder, { recursive: true, mode: 0o755 })
  const write = (full: LabPlan) => writeFile(paths.plan, `${JSON.stringify(full, undefined, 2)}\n`)
  await write(plan)
  if (membersOf(plan).length === 0) return
  await say.step('ZooKeeper', async tell => {
    const { version, classPath } = await zooKeeperHome({ progress: tell })
    tell(version)
    await write({ ...plan, classPath })
    await writePrivateFile(paths.ensembleSecret, `lab:${randomBytes(18).toString('base64url')}\n`)
  })
}

/** Whether this very lab runs already. Fault `conflict`: another one does. */
async function findSame(plan: LabPlan): Promise<boolean> {
  const before = await readPlan(plan.folder)
  if (before === undefined || !(await keeperAnswers(plan.folder))) return false
  if (isAlike(before, plan)) return true
  throw new Fault('conflict', `cannot make the lab in ${plan.folder}: there is another one`, {
    reasons: [`it has ${before.hosts.length} hosts on ${before.subnet.cidr}`],
    next: ['remuda lab down', 'or another folder for this one: --state DIR']
  })
}

async function keeperAnswers(folder: string): Promise<boolean> {
  try {
    await statusOf(folder)
    return true
  } catch (thrown) {
    if (isFault(thrown, 'unavailable')) return false
    throw thrown
  }
}

async function startKeeper(folder: string, isBound: boolean): Promise<ChildProcess | undefined> {
  const spec = keeperDaemon(folder)
  if (!isBound) {
    await startDaemon(spec)
    return undefined
  }
  const log = openSync(spec.logFile, 'a', 0o600)
  const child = spawn(process.execPath, [keeperProgram, folder], {
    cwd: '/',
    env: { ...process.env, [boundVariable]: '1' },
    stdio: ['pipe', log, log]
  })
  closeSync(log)
  child.stdin!.on('error', () => {})
  await once(child, 'spawn')
  const until = performance.now() + readyMsMax
  while (!(await exists(spec.readyFile))) {
    const hasEnded = child.exitCode !== null || child.signalCode !== null
    if (hasEnded || performance.now() > until) {
      child.kill('SIGKILL')
      throw new Fault('command', 'cannot start the keeper of the lab', {
        next: [`see ${spec.logFile}`]
      })
    }
    await sleep(10)
  }
  return child
}

/** Candidates first: all others need what they write down. */
async function powerOn(lab: Lab): Promise<string> {
  const { hosts } = lab.plan
  await Promise.all(hosts.map(({ name }) => lab.power(name, 'on')))
  return hosts.map(({ name }) => name).join(' ')
}

/** Waits for a controller, and gives all hosts a token by which they join. */
async function admitHosts(lab: Lab): Promise<void> {
  const { plan } = lab
  const token = await untilToken(lab)
  for (const { name } of plan.hosts) {
    const path = joinFileOf(hostFolderOf(plan.folder, name).state)
    await mkdir(dirname(path), { recursive: true, mode: 0o711 })
    await writeJoinFile(path, token)
  }
}

/** Until a controller leads and has signed whom hosts may trust, there is no token. */
async function untilToken(lab: Lab): Promise<JoinTokenContent> {
  const until = performance.now() + readyMsMax
  for (;;) {
    try {
      const answer = await lab.api.ask({
        method: 'POST',
        path: '/v1/join-tokens',
        body: { uses: lab.plan.hosts.length },
        doing: 'make a join token'
      })
      const { token } = JSON.parse(answer.bytes.toString()) as { readonly token: string }
      return readJoinToken(token)
    } catch (thrown) {
      if (!isFault(thrown)) throw thrown
      await refuseRestarts(lab)
      if (performance.now() > until) {
        throw new Fault('deadline', `no controller leads after ${readyMsMax} ms`, {
          cause: thrown,
          next: [`remuda lab logs ${lab.plan.hosts[0]!.name} controller`]
        })
      }
    }
    await sleep(50)
  }
}

/** A controller that has ended so often will not come up: its last words say why. */
const startsMax = 5

async function refuseRestarts(lab: Lab): Promise<void> {
  for (const { name: host, daemons } of (await lab.status()).hosts) {
    const controller = daemons.find(({ name }) => name === 'controller')
    if (controller === undefined || controller.starts < startsMax) continue
    const { starts, lastCode } = controller
    const log = lab.logOf(host, 'controller')
    const words = (await readFile(log, 'utf8').catch(() => '')).trim().split('\n').slice(-8)
    throw new Fault(
      'command',
      `the controller of ${host} does not stay: it ended ${starts} times`,
      {
        reasons: [`exit code ${lastCode}`, ...words],
        next: [`remuda lab logs ${host} controller`]
      }
    )
  }
}

/** Waits until the cloud hears every host. */
async function untilOnline(lab: Lab, tell: (text: string) => void): Promise<void> {
  const until = performance.now() + readyMsMax
  for (;;) {
    const phases = await lab.hostPhases()
    const missing = lab.plan.hosts.filter(({ name }) => phases.get(name) !== 'online')
    const found = `${lab.plan.hosts.length - missing.length} online`
    if (missing.length === 0) return tell(found)
    const names = missing.map(({ name }) => `${name} is ${phases.get(name) ?? 'not heard yet'}`)
    tell(`${found}; ${names.join(', ')}`)
    if (performance.now() > until) {
      throw new Fault('deadline', `not all hosts came online within ${readyMsMax} ms`, {
        reasons: names,
        next: [`remuda lab logs ${missing[0]!.name} agent`]
      })
    }
    await sleep(100)
  }
}
