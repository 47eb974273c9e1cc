/** Where everything of a cloud on one machine is, and how its daemons are started. */

import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { DaemonSpec } from '#shared/daemon.ts'

/** Folder of this checkout. */
export const home = fileURLToPath(new URL('../..', import.meta.url))

/** Where the parts of a cloud on one machine are, as absolute paths, and its four daemons. */
export type Layout = {
  readonly state: string
  readonly run: string
  readonly logs: string
  /** What was made outside of the state folder, so that it can be undone. */
  readonly ledger: string
  readonly images: string
  readonly controller: DaemonSpec
  readonly agent: DaemonSpec
  readonly libvirtd: DaemonSpec
  /** The same without the init before it, which may have been killed alone. */
  readonly libvirtdAlone: DaemonSpec
  readonly virtlogd: DaemonSpec
}

/**
 * Under an init that reaps at once: libvirt waits for each qemu that has ended to be gone from the
 * list of processes, and what is process 1 in a container may take seconds for that. And kept, as
 * systemd does it: libvirtd 9.0 now and then crashes when a client leaves while it is answering it.
 */
const keptByInit = (spec: DaemonSpec): DaemonSpec => ({
  ...spec,
  command: '/usr/bin/tini',
  args: ['-s', '--', '/bin/sh', '-c', keep, 'keep', spec.command, ...spec.args]
})

/** Starts a program again when a signal ended it that we did not send, while its init is there. */
const keep = `
trap 'trap "" TERM; kill "$child"; wait "$child"; exit' TERM
while :; do
  "$@" & child=$!
  wait "$child"; code=$?
  if [ $code -lt 128 ] || ! kill -0 $PPID 2>/dev/null; then exit $code; fi
  echo "$1 ended with $code: started again" >&2
  sleep 1
done
`

/** Says where things are for a state folder. */
export function layoutOf(state: string): Layout {
  const run = join(state, 'run')
  const logs = join(state, 'log')
  const ours = (part: 'controller' | 'agent', about: string): DaemonSpec => ({
    name: about,
    command: process.execPath,
    args: [join(home, 'dist', `remuda-${part}.js`), '--state', state],
    recordFile: join(run, `${part}.process`),
    logFile: join(logs, `${part}.log`),
    readyFile: join(run, `${part}.ready`),
    readyMsMax: 60_000,
    stopMsMax: 20_000
  })
  const libvirts = (program: string, socket: string): DaemonSpec => ({
    name: program,
    command: `/usr/sbin/${program}`,
    args: ['--pid-file', join(run, `${program}.pid`)],
    recordFile: join(run, `${program}.process`),
    logFile: join(logs, `${program}.log`),
    readyFile: socket,
    readyMsMax: 60_000,
    stopMsMax: 10_000
  })
  const libvirtd = libvirts('libvirtd', '/run/libvirt/libvirt-sock')
  return {
    state,
    run,
    logs,
    ledger: join(state, 'outside.json'),
    images: join(state, 'demo-images'),
    controller: ours('controller', 'the controller'),
    agent: ours('agent', 'the agent'),
    libvirtd: keptByInit(libvirtd),
    libvirtdAlone: { ...libvirtd, recordFile: join(run, 'libvirtd-alone.process') },
    virtlogd: libvirts('virtlogd', '/run/libvirt/virtlogd-sock')
  }
}
