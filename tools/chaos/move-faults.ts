/**
 * What befalls a move between two hosts of a lab, and what must come of it. Each strikes, and mends
 * what it has done before it is judged.
 *
 * One that is sent can always stay where it is, so it does, or it has arrived. One that crosses
 * lives of both hosts: it arrives in the end, or it is ended on both and starts anew.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { isFault } from '#shared/fault.ts'
import { until } from '../bench/takeover-checks.ts'
import { patchResource, sayVerb } from '../cli/api/resources.ts'
import type { Lab } from '../lab/lab.ts'
import { beginCrossing, beginSlowly, type MoveScene, untilStill, wayOf, web } from './move-scene.ts'

/** One kind of fault. */
export type MoveFault = {
  /** Begins the move, and befalls it. */
  readonly strike: (scene: MoveScene) => Promise<void>
  /** Where it may be in the end, and whether it may have been started anew. */
  readonly ends: 'stays' | 'moves' | 'either' | 'either or anew'
  /** What `remuda why` must tell; left out: nothing was begun, and who asked was told. */
  readonly why?: RegExp
}

/** A line is cut for so long where the two must have noticed it. Unit: ms. */
const noticedMs = 40_000
/** And for so long where what crosses is given up meanwhile. Unit: ms. */
const givenUpMs = 130_000
/** Every host has more than that. Unit: MiB. */
const muchMib = 1_048_576

/** All of them, by what is said of them. */
export const moveFaults: Readonly<Record<string, MoveFault>> = {
  'refused: no room at the target': {
    strike: async ({ lab, to }) => {
      await reserve(lab, to, muchMib)
      try {
        await refused(lab, to)
      } finally {
        await reserve(lab, to, 512)
      }
    },
    ends: 'stays'
  },
  'refused: no port at the target': {
    strike: async scene => {
      const { lab, to } = scene
      const taken = occupyPorts(lab, to)
      try {
        await until('all ports are taken', async () => (await portsOn(lab, to)) >= portsInAll)
        await sayVerb(lab.api, web, 'migrate', { body: { to, live: true } })
        await untilStill(lab)
      } finally {
        await taken.end()
      }
    },
    ends: 'stays',
    why: /move-failed.*port/
  },
  'refused: the target has no emulator': {
    strike: async ({ lab, to }) => {
      const emulator = '/usr/bin/qemu-system-x86_64'
      await onHost(lab, to, ['mount', '--bind', '/bin/false', emulator])
      try {
        await sayVerb(lab.api, web, 'migrate', { body: { to, live: true } })
        await untilStill(lab)
      } finally {
        await onHost(lab, to, ['umount', emulator])
      }
    },
    ends: 'stays',
    why: /move-failed/
  },
  "sending: the target's libvirt is killed": {
    strike: scene => sending(scene, ({ lab, to }) => lab.kill(to, 'libvirtd')),
    ends: 'stays',
    why: /move-failed: stays on .*: cannot send domain/
  },
  "sending: the source's libvirt is killed": {
    strike: scene => sending(scene, ({ lab, from }) => lab.kill(from, 'libvirtd')),
    ends: 'either',
    why: /move-failed: stays on|moved: from/
  },
  "sending: the target's emulator is killed": {
    strike: scene => sending(scene, ({ lab, to }) => killEmulator(lab, to)),
    ends: 'stays',
    why: /move-failed: stays on .*: cannot send domain/
  },
  "sending: the target's agent is killed": {
    strike: scene => sending(scene, ({ lab, to }) => lab.kill(to, 'agent')),
    ends: 'either',
    why: /move-failed: stays on|moved: from/
  },
  "sending: the source's agent is killed": {
    strike: scene => sending(scene, ({ lab, from }) => lab.kill(from, 'agent')),
    ends: 'either',
    why: /move-failed: stays on|moved: from/
  },
  'sending: the line is cut': {
    strike: scene => sending(scene, between(noticedMs)),
    ends: 'either',
    why: /move-failed: stays on|moved: from/
  },
  'sending: the line is cut for a moment': {
    strike: scene => sending(scene, between(4_000)),
    ends: 'either',
    why: /move-failed: stays on|moved: from/
  },
  'sending: the connections are torn': {
    strike: scene => sending(scene, ({ lab, from }) => tear(lab, from)),
    ends: 'stays',
    why: /move-failed: stays on .*: cannot send domain/
  },
  'sending: called back': {
    strike: scene =>
      sending(scene, async ({ lab }) => {
        await sayVerb(lab.api, web, 'migrate', { body: { cancel: true } })
      }),
    ends: 'stays',
    why: /move-failed: stays on .*: cancelled by user\/admin/
  },
  'crossing: called back': {
    strike: async scene => {
      await beginCrossing(scene)
      const { lab } = scene
      // It may have come in full by then: nothing is to be called back then either.
      await sayVerb(lab.api, web, 'migrate', { body: { cancel: true } }).then(
        () => Promise.reject(new Error('it was called back, though it runs there')),
        ignoreConflict
      )
    },
    ends: 'moves',
    why: /moved: from/
  },
  'crossing: the connections are torn': {
    strike: scene => crossing(scene, ({ lab, from }) => tear(lab, from)),
    ends: 'either or anew',
    why: /moved: from|starts anew from its volumes/
  },
  "crossing: the target's libvirt is killed": {
    strike: scene => crossing(scene, ({ lab, to }) => lab.kill(to, 'libvirtd')),
    ends: 'either or anew',
    why: /moved: from|starts anew from its volumes/
  },
  "crossing for long: the target's libvirt is killed": {
    strike: async scene => {
      await beginCrossing(scene, 1)
      await scene.lab.kill(scene.to, 'libvirtd')
    },
    // A libvirt 9.0 that comes back may end what it finds of it.
    ends: 'either or anew',
    why: /moved: from|starts anew from its volumes/
  },
  "crossing: the source's libvirt is killed": {
    strike: scene => crossing(scene, ({ lab, from }) => lab.kill(from, 'libvirtd')),
    ends: 'either or anew',
    why: /moved: from|starts anew from its volumes/
  },
  "crossing: the target's emulator is killed": {
    strike: scene => crossing(scene, ({ lab, to }) => killEmulator(lab, to)),
    ends: 'either or anew',
    why: /starts anew from its volumes/
  },
  "crossing: the source's emulator is killed": {
    strike: scene => crossing(scene, ({ lab, from }) => killEmulator(lab, from)),
    ends: 'either or anew',
    why: /starts anew|is lost/
  },
  "crossing: the target's agent is killed": {
    strike: scene => crossing(scene, ({ lab, to }) => lab.kill(to, 'agent')),
    ends: 'moves',
    why: /moved: from/
  },
  "crossing: the source's agent is killed": {
    strike: scene => crossing(scene, ({ lab, from }) => lab.kill(from, 'agent')),
    ends: 'moves',
    why: /moved: from/
  },
  'crossing: the line is cut': {
    strike: scene => crossing(scene, between(noticedMs)),
    ends: 'either or anew',
    why: /moved: from|starts anew from its volumes/
  },
  'crossing: the line is cut for long': {
    strike: scene => crossing(scene, between(givenUpMs)),
    ends: 'either or anew',
    why: /moved: from|starts anew from its volumes/
  }
}

type Blow = (scene: MoveScene) => Promise<void>

async function sending(scene: MoveScene, blow: Blow): Promise<void> {
  await beginSlowly(scene)
  await blow(scene)
}

async function crossing(scene: MoveScene, blow: Blow): Promise<void> {
  await beginCrossing(scene)
  await blow(scene)
}

/** Nothing passes between the two for a while; the controller hears both. */
const between =
  (lastsMs: number): Blow =>
  async ({ lab, from, to }) => {
    await lab.partition([[from], [to]])
    await sleep(lastsMs)
    await lab.heal()
  }

/** Ends the connections of a host to where others take memory in, as a line that breaks does. */
async function tear(lab: Lab, host: string): Promise<void> {
  const ports = ['dport', 'ge', '49152', 'dport', 'le', '49215']
  await onHost(lab, host, ['ss', '-4', '-K', 'state', 'established', ...ports])
}

async function killEmulator(lab: Lab, host: string): Promise<void> {
  await onHost(lab, host, ['pkill', '-KILL', '-x', 'qemu-system-x86'])
}

async function onHost(lab: Lab, host: string, line: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await lab.run(host, line)
  if (code !== 0) throw new Error(`cannot run ${line.join(' ')} on ${host}: ${stderr}`)
  return stdout
}

/** Keeps memory of a host from instances. */
async function reserve(lab: Lab, name: string, reservedMib: number): Promise<void> {
  await patchResource(lab.api, { kind: 'host', name }, { spec: { reservedMib } })
}

/** The wish is refused, and says why. */
async function refused(lab: Lab, to: string): Promise<void> {
  try {
    await sayVerb(lab.api, web, 'migrate', { body: { to, live: true } })
  } catch (thrown) {
    if (isFault(thrown, 'conflict') && thrown.reasons.some(reason => reason.includes('MiB'))) return
    throw thrown
  }
  throw new Error(`a move to ${to} was not refused: ${JSON.stringify(await wayOf(lab))}`)
}

function ignoreConflict(thrown: unknown): void {
  if (!isFault(thrown, 'conflict')) throw thrown
}

const portsInAll = 64

const portsOn = async (lab: Lab, host: string): Promise<number> => {
  const range = 'sport >= 49152 and sport <= 49215'
  return (await onHost(lab, host, ['ss', '-Htln', range])).split('\n').filter(Boolean).length
}

const listener = `
const { createServer } = require('node:net')
for (let port = 49152; port <= 49215; port += 1) createServer().listen(port, '0.0.0.0')
`

/** Listens on all ports on which memory could be taken in. */
function occupyPorts(lab: Lab, host: string): { readonly end: () => Promise<void> } {
  const mark = 'takes-all-ports'
  const line = [process.execPath, '--eval', listener, '--', mark]
  const running = lab.run(host, line).catch(() => undefined)
  return {
    end: async () => {
      await onHost(lab, host, ['pkill', '-KILL', '-f', mark])
      await running
    }
  }
}
