/**
 * Sees to it that libvirtd runs: the one that is there, or systemd's, or one that we start and stop
 * ourselves where there is no systemd.
 */
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
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
  if (await answers(layout.libvirtd.readyFile)) return 'runs already'
  if (await hasSystemd()) {
    await run('systemctl', ['start', 'virtlogd.socket', 'libvirtd.service'], {
      deadlineMs: startMsMax
    })
    await untilAnswers(layout.libvirtd.readyFile)
    return 'started by systemd'
  }
  await noteOutside(layout, { libvirtd: true })
  // A device that libvirt may see but not open costs it a minute of probing at each start.
  await openDevice(layout, '/dev/kvm')
  await startDaemon(layout.virtlogd)
  await startDaemon(layout.libvirtd)
  await untilAnswers(layout.libvirtd.readyFile)
  return 'started, as there is no systemd'
}

/** Stops the libvirtd that we started; another one is left alone. */
export async function stopLibvirt(layout: Layout): Promise<boolean> {
  const { libvirtd } = await readOutside(layout)
  if (!libvirtd) return false
  await stopDaemon(layout.libvirtd)
  await stopDaemon(layout.virtlogd)
  return true
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
