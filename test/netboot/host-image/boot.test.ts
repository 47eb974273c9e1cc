/**
 * A machine without a disk boots the host image: its first stage fetches and checks, systemd
 * starts, and the agent runs with a token. bootd is a stand-in here; the real one is tried
 * elsewhere.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { writeJoinToken } from '#shared/wire/join-token.ts'
import { makeKeys } from '#shared/wire/keys.ts'
import { type ReadyHostImage, readyHostImage } from '../../../tools/host-image/ready.ts'
import { BootedMachine } from './booted-machine.ts'
import { ImageServer } from './image-server.ts'
import { freePort, inside, untilIn } from './inside.ts'

/** The first build installs packages; a machine boots in half a minute where it has a core. */
const buildMsMax = 1_200_000
const bootMsMax = 600_000

const execute = promisify(execFile)

const uuid = '6ba7b810-9dad-41d1-80b4-00c04fd430c8'

const ready = (t: ExecutionContext): Promise<ReadyHostImage> => {
  t.timeout(buildMsMax + bootMsMax)
  return readyHostImage({ progress: line => t.log(line) })
}

/** Nobody answers at its door, so the host asks for ever. */
const token = writeJoinToken({
  cloud: 'cloud-of-the-test',
  cloudKey: 'A'.repeat(43),
  doors: [{ endpoint: 'tcp://10.0.2.2:9', publicKey: makeKeys().publicKey }],
  secret: 'a-secret-of-the-test'
})

/** Waits for something, as long as the machine is on. */
async function until(machine: BootedMachine, what: string, look: () => boolean): Promise<void> {
  const end = performance.now() + bootMsMax
  while (!look()) {
    if (!machine.isOn) throw new Error(`it went off before ${what}:\n${tail(machine)}`)
    if (performance.now() > end) throw new Error(`no ${what} in time:\n${tail(machine)}`)
    await sleep(100)
  }
}

const tail = ({ console }: BootedMachine): string => console.split('\n').slice(-40).join('\n')

test.serial('a machine without a disk boots until its agent asks to be let in', async t => {
  const { folder, manifest } = await ready(t)
  const { version } = manifest
  const own = await mkdtemp(join(tmpdir(), 'remuda-boot-'))
  t.teardown(() => rm(own, { recursive: true, force: true }))
  await execute('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(own, 'key')])
  await using server = await ImageServer.open(folder)
  const sshKeys = [(await readFile(join(own, 'key.pub'), 'utf8')).trim()]
  server.given = { name: 'h7', uuid, profile: 'host', version, token, sshKeys }
  const ssh = await freePort()
  await using machine = BootedMachine.start({
    ...{ image: folder, version, port: server.port, uuid },
    ...{ sshPort: ssh, devices: ['-device', 'i6300esb'] },
    // What fails is among the last lines of the console then.
    options: ['systemd.journald.forward_to_console=1']
  })
  await until(machine, 'agent', () => machine.console.includes('the agent runs and asks'))
  t.deepEqual(
    [...new Set(server.stages)],
    ['initramfs', 'image', 'verified', 'system', 'agent'],
    tail(machine)
  )
  t.regex(machine.console, /remuda: h7 10\.0\.2\.15 version [0-9a-f]{16}: the agent runs/)
  // The agent is there before all that lets operators in.
  const entry = { key: join(own, 'key'), port: ssh }
  await untilIn(machine, entry)
  const facts = await inside(
    'cat /etc/machine-id /etc/hostname /etc/iscsi/initiatorname.iscsi; ' +
      'cat /sys/class/watchdog/watchdog0/nowayout; ls /var/lib/remuda/run/agent.sock; ' +
      'test -e /dev/disk/by-label/remuda-state || echo none; ' +
      'systemctl list-units --failed --plain -q; ' +
      'for each in 8021q bonding dm_thin_pool dm_crypt iscsi_tcp drbd nbd; do modprobe $each || ' +
      'echo no $each; done',
    entry
  )
  const initiator = createHash('sha256')
    .update(`remuda initiator ${uuid}\n`)
    .digest('hex')
    .slice(0, 12)
  t.deepEqual(facts, [
    createHash('sha256').update(`remuda machine-id ${uuid}\n`).digest('hex').slice(0, 32),
    'h7',
    `InitiatorName=iqn.1993-08.org.debian:01:${initiator}`,
    '1',
    '/var/lib/remuda/run/agent.sock',
    'none'
  ])
})
