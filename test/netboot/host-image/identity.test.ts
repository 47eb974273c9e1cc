/**
 * Who a host is: the scripts that make it so, in the root of the real image, without a machine.
 * All mounts are in a namespace that ends with the script.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import test, { type ExecutionContext } from 'ava'
import { writeJoinToken } from '#shared/wire/join-token.ts'
import { makeKeys } from '#shared/wire/keys.ts'
import { readyHostImage } from '../../../tools/host-image/ready.ts'
import { bootToken, ImageServer } from './image-server.ts'

const uuid = '6ba7b810-9dad-41d1-80b4-00c04fd430c8'
const buildMsMax = 1_200_000

/** Devices that write nowhere: what the scripts say on consoles shall not go to ours. */
const enter = `
set -e
mount -t squashfs -o ro,loop "$1/root.squashfs" "$2/below"
mount -t tmpfs above "$2/above"
mkdir "$2/above/files" "$2/above/work"
mount -t overlay -o "lowerdir=$2/below,upperdir=$2/above/files,workdir=$2/above/work" root "$2/root"
cd "$2/root"
mount -t proc proc proc; mount -t sysfs sys sys; mount -t tmpfs run run; mount -t tmpfs dev dev
mknod -m 666 dev/null c 1 3; mknod -m 666 dev/urandom c 1 9; mknod -m 666 dev/random c 1 8
mkdir run/remuda run/sshd
cp "$2/boot.sh" "$2/boot.json" run/remuda
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . /bin/sh -c "$3"
`

type Scene = {
  readonly server: ImageServer
  /** Runs lines in the root of a host, and gives what they say, line by line. */
  readonly inside: (lines: string) => Promise<readonly string[]>
}

async function open(t: ExecutionContext, profile = 'host'): Promise<Scene> {
  t.timeout(buildMsMax)
  const image = await readyHostImage({ progress: line => t.log(line) })
  const folder = await mkdtemp(join(tmpdir(), 'remuda-identity-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  for (const each of ['below', 'above', 'root']) {
    await mkdir(join(folder, each))
  }
  const server = await ImageServer.open(image.folder)
  t.teardown(() => server[Symbol.asyncDispose]())
  const known = {
    ...{ url: `http://127.0.0.1:${server.port}`, boot: bootToken, uuid, profile },
    ...{ version: image.manifest.version, interface: 'eth0', address: '10.0.2.15' }
  }
  const lines = Object.entries(known).map(([name, value]) => `known_${name}='${value}'\n`)
  await writeFile(join(folder, 'boot.sh'), lines.join(''))
  await writeFile(join(folder, 'boot.json'), JSON.stringify(known))
  const inside = async (script: string): Promise<readonly string[]> => {
    const words = ['--mount', '--uts', '--pid', '--fork', 'sh', '-c', enter, 'host']
    const args = [...words, image.folder, folder, script]
    const child = spawn('unshare', args, { stdio: ['ignore', 'pipe', 'inherit'] })
    return (await text(child.stdout)).trim().split('\n')
  }
  return { server, inside }
}

const identity = '/usr/lib/remuda/identity >/dev/null 2>&1'
const initiator = createHash('sha256')
  .update(`remuda initiator ${uuid}\n`)
  .digest('hex')
  .slice(0, 12)

test.serial('a host has the name and the operators that bootd gives, and its own keys', async t => {
  const { server, inside } = await open(t)
  server.given = { name: 'h7', sshKeys: ['ssh-ed25519 AAAA one', 'ssh-ed25519 AAAA two'] }
  const lines = await inside(
    `${identity}; hostname; cat /etc/hostname /etc/iscsi/initiatorname.iscsi ` +
      '/root/.ssh/authorized_keys; stat -c %a /root/.ssh/authorized_keys; ' +
      '/usr/lib/remuda/host-key && sshd -t && echo sshd is content; ls /etc/ssh | grep -c host_'
  )
  t.deepEqual(lines, [
    ...['h7', 'h7', `InitiatorName=iqn.1993-08.org.debian:01:${initiator}`],
    ...['ssh-ed25519 AAAA one', 'ssh-ed25519 AAAA two', '600', 'sshd is content', '0']
  ])
  t.deepEqual(server.stages, ['system'])
})

test.serial('a host joins with the token that it is given, and does not keep it', async t => {
  const { server, inside } = await open(t)
  const token = writeJoinToken({
    ...{ cloud: 'cloud-of-the-test', cloudKey: 'A'.repeat(43), secret: 'a-secret-of-the-test' },
    doors: [{ endpoint: 'tcp://127.0.0.1:9', publicKey: makeKeys().publicKey }]
  })
  server.given = { token, sshKeys: [] }
  const lines = await inside(
    // The agent is there first, and waits until it is known who this host is.
    '/opt/remuda/bin/remuda-agent join --ask /usr/lib/remuda/join >/run/said & ' +
      'for i in $(seq 300); do pgrep -f lib/remuda/join >/dev/null && break; sleep 0.1; done; ' +
      `sleep 0.5; cat /run/said; ${identity}; ` +
      'for i in $(seq 300); do [ -s /run/said ] || sleep 0.1; done; head -n 1 /run/said; ' +
      'ls /run/remuda/given.sh 2>/dev/null || echo gone; ' +
      '/usr/lib/remuda/join; echo ended with $?; ' +
      'cd /var/lib/remuda/agent; ls join.json; ls agent.json 2>/dev/null || echo no address'
  )
  t.deepEqual(lines, [
    'this host asks to join cloud cloud-of-the-test at tcp://127.0.0.1:9, as 127.0.0.1',
    // Who asks again goes by what was written down, but for its address.
    ...['gone', 'ended with 0', 'join.json', 'no address']
  ])
  t.deepEqual(server.stages.slice(0, 2), ['system', 'agent'])
})

test.serial('in the rescue profile that is said, and there is nothing to join with', async t => {
  const { server, inside } = await open(t, 'rescue')
  server.given = { name: 'h7', sshKeys: [] }
  t.deepEqual(await inside(`${identity}; ls /var/lib/remuda`), ['identity'])
  t.deepEqual(server.stages, ['system', 'rescue'])
})
