/**
 * Sees to it that libvirtd runs: the one that is there, or systemd's, or one that we start and stop
 * ourselves where there is no systemd.
 */
import { readFile, rm, stat } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startDaemon, stopDaemon } from '#shared/daemon.ts'
import { Fault } from '#shared/fault.ts'
import { run } from '#shared/process.ts'
import type { Layout } from './layout.ts'
import { noteOutside, openDevice, readOutside } from './outside.ts'

/** A socket that answers within so long is alive. Unit: ms. */
const answerMsMax = 2_000
const startMsMax = 30_000

/** Starts libvirtd unless it runs; says what was found. */
export async function ensureLibvirt(layout: Layout): Promise<string> {
  const systemd = await hasSystemd()
  // A device that libvirt may see but not open costs it a minute of probing at each start.
  if (!systemd) await openDevice(layout, '/dev/kvm')
  if (await answers(layout.libvirtd.readyFile)) return 'runs already'
  if (systemd) {
    await run('systemctl', ['start', 'virtlogd.socket', 'libvirtd.service'], {
      deadlineMs: startMsMax
    })
    await untilAnswers(layout.libvirtd.readyFile)
    return 'started by systemd'
  }
  const before = await stat(runFolder).catch(() => undefined)
  const { madeRun } = await readOutside(layout)
  await noteOutside(layout, { libvirtd: true, madeRun: madeRun ?? before === undefined })
  await startDaemon(layout.virtlogd)
  await startDaemon({ ...layout.libvirtd, prefix: await ownView() })
  await untilAnswers(layout.libvirtd.readyFile)
  return 'started, as there is no systemd'
}

/** Where libvirtd has its sockets and what it remembers until the next boot. */
const runFolder = '/run/libvirt'
const cgroupRoot = '/sys/fs/cgroup'

/**
 * libvirt's containers cannot start where versions 1 and 2 of cgroups are mounted side by side, as
 * some machines without systemd have them: there libvirtd gets a view of its own without version 2.
 */
async function ownView(): Promise<readonly string[]> {
  const side = join(cgroupRoot, 'unified')
  if (!(await stat(side).catch(() => undefined))) return []
  const script = `umount -l ${side}; exec "$@"`
  const shell = ['/bin/sh', '-c', script, 'libvirtd']
  return ['/usr/bin/unshare', '--mount', '--propagation', 'slave', ...shell]
}

/** Says whether it was us who started libvirtd. */
export const isOurLibvirt = async (layout: Layout): Promise<boolean> =>
  (await readOutside(layout)).libvirtd === true

/** Stops the libvirtd that we started, and removes what it remembers of this boot. */
export async function stopLibvirt(layout: Layout): Promise<void> {
  await stopDaemon(layout.libvirtd)
  await stopDaemon(layout.libvirtdAlone)
  await stopDaemon(layout.virtlogd)
  const { madeRun } = await readOutside(layout)
  if (madeRun) await rm(runFolder, { recursive: true, force: true })
}

const hasSystemd = async (): Promise<boolean> =>
  (await readFile('/proc/1/comm', 'utf8').catch(() => '')).trim() === 'systemd'

async function untilAnswers(path: string): Promise<void> {
  const until = performance.now() + startMsMax
  while (!(await answers(path))) {
    if (performance.now() > until) {
      throw new Fault('deadline', `cannot reach libvirtd: ${path} does not answer`, {
        reasons: [`waited ${startMsMax} ms`],
        next: ['see journalctl -u libvirtd, or libvirtd.log among the logs']
      })
    }
    await sleep(50)
  }
}

/** Says whether somebody listens on a socket. */
export async function answers(path: string): Promise<boolean> {
  return await new Promise(resolve => {
    const socket = connect(path)
    const done = (alive: boolean): void => {
      socket.destroy()
      resolve(alive)
    }
    socket.setTimeout(answerMsMax, () => done(false))
    socket.once('connect', () => done(true))
    socket.once('error', () => done(false))
  })
}
