/**
 * A boot network that is a VLAN. bootd runs in a machine whose kernel knows VLANs, at a port of a
 * switch that carries tags. One machine boots at a port that knows nothing of them, as firmware
 * wants it; another, at one with tags, is told of the VLAN by its kernel's command line.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import type { BootPlan } from '../../shared/wire/boot.ts'
import { bundle } from '../../tools/build.ts'
import { type ReadyHostImage, readyHostImage } from '../../tools/host-image/ready.ts'
import { plan } from '../bootd/boot/plans.ts'
import { BootedMachine } from './host-image/booted-machine.ts'
import { ImageServer } from './host-image/image-server.ts'
import * as machines from './host-image/inside.ts'
import { tell } from './scene.ts'
import { VlanSwitch } from './vlan-switch.ts'

const { bootMsMax, inside, until } = machines
type Entry = machines.Entry

const packages = join(import.meta.dirname, '../../node_modules')
const vlan = 42
const address = '10.78.0.1'
const state = '/var/lib/remuda-boot'
const uuidOf = (digit: number): string => `6ba7b81${digit}-9dad-41d1-80b4-00c04fd430c8`

test('machines boot in a VLAN', async t => {
  t.timeout(3 * bootMsMax)
  const image = await readyHostImage({ progress: tell })
  const { version } = image.manifest
  const folder = await mkdtemp(join(tmpdir(), 'remuda-vlan-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await using net = new VlanSwitch(vlan)
  const { key, sshKey } = await machines.makeKey(folder)
  const entry = { key, port: await machines.freePort() }
  await using server = await ImageServer.open(image.folder)
  server.given = { name: 'h9', uuid: uuidOf(3), profile: 'rescue', version, sshKeys: [sshKey] }
  await using host = BootedMachine.start({
    ...{ image: image.folder, version, port: server.port, uuid: uuidOf(3), sshPort: entry.port },
    memoryMib: 2_048,
    options: ['net.ifnames=0', 'remuda.profile=rescue'],
    devices: await net.plug('tagged', { mac: '52:54:00:0b:02:01', more: ',romfile=' })
  })
  await machines.untilIn(host, entry)
  await sendBootd(folder, image, entry)
  await startBootd(version, entry)

  await using plain = BootedMachine.of([
    ...['-uuid', uuidOf(4), '-vga', 'std'],
    ...(await net.plug('untagged', { mac: '52:54:00:0b:02:02', more: ',bootindex=1' }))
  ])
  await until('one that knows no tags has its image', async () => await hasImage(plain, 4, entry))
  t.regex(plain.console, /eth0 has 10\.78\.0\.\d+/)
  await plain[Symbol.asyncDispose]()

  const before = net.taggedFrames
  const words = [`remuda.url=http://${address}:7480`, 'remuda.ask=yes', `remuda.vlan=${vlan}`]
  await using tagged = BootedMachine.of([
    ...['-uuid', uuidOf(5), '-kernel', join(image.folder, 'vmlinuz')],
    ...['-initrd', join(image.folder, 'initrd'), '-append'],
    [...words, `remuda.version=${version}`, 'console=ttyS0', 'quiet'].join(' '),
    ...(await net.plug('tagged', { mac: '52:54:00:0b:02:03', more: ',romfile=' }))
  ])
  await until('one that makes its tags has its image', async () => await hasImage(tagged, 5, entry))
  t.regex(tagged.console, new RegExp(`eth0\\.${vlan} has 10\\.78\\.0\\.\\d+`))
  t.true(net.taggedFrames - before > 10_000)
})

/** Whether a machine has said that its image is as signed, and bootd has heard so. */
async function hasImage(machine: BootedMachine, digit: number, entry: Entry): Promise<boolean> {
  if (!machine.isOn) throw new Error(`it has ended: ${machine.console}`)
  if (!machine.console.includes('the image is what was signed')) return false
  const text = (await inside(`cat ${state}/bootd/boots.json`, entry)).join('')
  const boots = JSON.parse(text) as readonly { readonly state: Boot }[]
  const stages = boots.find(one => one.state.uuid === uuidOf(digit))?.state.stages ?? []
  return stages.some(({ stage }) => stage === 'verified')
}

type Boot = { readonly uuid?: string; readonly stages: readonly { readonly stage: string }[] }

/** Puts bootd into a machine: its program, its plan, and a version without the root. */
async function sendBootd(folder: string, image: ReadyHostImage, entry: Entry): Promise<void> {
  const { version } = image.manifest
  const own = join(folder, 'own')
  await bundle({ 'remuda-bootd': 'bootd/main.ts' }, join(own, 'opt/remuda/bin'), { maps: false })
  // What the bundle leaves outside, and no image has: hosts run no bootd.
  for (const name of ['ssh2', 'asn1', 'bcrypt-pbkdf', 'safer-buffer', 'tweetnacl']) {
    const to = join(own, 'opt/remuda/node_modules', name)
    await cp(join(packages, name), to, { recursive: true })
  }
  const bootd = join(own, state, 'bootd')
  await mkdir(join(bootd, 'images', version), { recursive: true })
  await mkdir(join(bootd, 'firmware'))
  for (const name of ['vmlinuz', 'initrd', 'manifest.json', 'manifest.json.sig']) {
    await cp(join(image.folder, name), join(bootd, 'images', version, name))
  }
  await cp('/usr/lib/ipxe/undionly.kpxe', join(bootd, 'firmware/undionly.kpxe'))
  const words: BootPlan = {
    ...{ ...plan, machines: [], images: [{ version, from: [] }] },
    imageKey: image.publicKey.trim().split('\n').at(-1)!,
    unknown: { profile: 'host', version }
  }
  await writeFile(join(bootd, 'boot-plan.json'), JSON.stringify(words), { mode: 0o600 })
  const pack = [
    '-o',
    'pipefail',
    '-c',
    `tar --create --owner=0 --group=0 . | ${sshLine(entry)} tar --extract -C /`
  ]
  const child = spawn('bash', pack, { cwd: own, stdio: ['ignore', 'inherit', 'inherit'] })
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`cannot put bootd into the machine: exit code ${code}`)
}

const sshLine = ({ key, port }: Entry): string =>
  'ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR ' +
  `-i ${key} -p ${port} root@127.0.0.1`

/** Has bootd serve the version, whose root the machine has itself, in the VLAN. */
async function startBootd(version: string, entry: Entry): Promise<void> {
  const flags = [
    ...[`--state ${state} --port 0 --boot-mode full --boot-interface eth1 --boot-vlan ${vlan}`],
    ...[`--boot-address ${address}/24 --boot-range 10.78.0.50-10.78.0.90`]
  ].join(' ')
  const program = '/opt/remuda/bin/node /opt/remuda/bin/remuda-bootd.js'
  await inside(
    `cp /run/remuda/image/root.squashfs ${state}/bootd/images/${version}/; ` +
      `setsid ${program} ${flags} >/run/bootd.log 2>&1 </dev/null & echo`,
    entry
  )
  await until('bootd serves a VLAN', async () => {
    const log = (await inside('cat /run/bootd.log', entry)).join('\n')
    if (/cannot serve|cannot go on|^Node\.js v/m.test(log)) throw new Error(log)
    return /dnsmasq of network boot runs/.test(log) && /image version is whole/.test(log)
  })
}
