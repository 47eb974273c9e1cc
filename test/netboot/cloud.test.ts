/**
 * The host image with Debian's kernel for clouds: a machine with a BIOS boots it from the real
 * bootd until its agent runs. How long its power is on until each step is told.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import type { BootPlan } from '../../shared/wire/boot.ts'
import { readyHostImage } from '../../tools/host-image/ready.ts'
import { range, Segment } from '../lab/netboot/segment.ts'
import { patienceMs, tell } from './scene.ts'

/** What it says on its serial line, in this order. */
const said = {
  userspace: /remuda: first stage of version/,
  verified: /the image is what was signed/,
  system: /handing over to the system/
}

test('the profile cloud boots, and has no watchdog to offer', async t => {
  t.timeout(2 * patienceMs)
  const image = await readyHostImage({ profile: 'cloud', progress: tell })
  t.regex(image.manifest.kernel, /-cloud-amd64$/)
  await using segment = await Segment.make()
  const { version } = image.manifest
  await cp(image.folder, join(segment.state, 'bootd/images', version), { recursive: true })
  const plan: BootPlan = {
    ...{ ...segment.plan, machines: [], images: [{ version, from: [] }] },
    imageKey: image.publicKey.trim().split('\n').at(-1)!,
    unknown: { profile: 'host', version, kernelOptions: 'cryptomgr.notests' }
  }
  await writeFile(join(segment.state, 'bootd/boot-plan.json'), JSON.stringify(plan))
  segment.start('--boot-mode', 'full', '--boot-range', range)
  await segment.logged(/dnsmasq of network boot runs/)
  await segment.logged(new RegExp(`image version is whole.*${version}`))
  const tap = ['link set dev tap0 master br0', 'link set dev tap0 up'].join('\n')
  await segment.host.run('ip', ['tuntap', 'add', 'dev', 'tap0', 'mode', 'tap'])
  await segment.host.run('ip', ['-batch', '-'], tap)
  const hasAgent = async () => (await segment.boots()).some(({ stage }) => stage === 'agent')
  const steps = await boot(segment.host.name, hasAgent)
  tell(`after its power: ${steps.map(([name, ms]) => `${name} ${(ms / 1_000).toFixed(2)} s`)}`)
  t.deepEqual(
    steps.map(([name]) => name),
    Object.keys(said)
  )
})

/** Gives a machine its power; gives when it has said what, in ms after that. */
async function boot(netns: string, isDone: () => Promise<boolean>) {
  const words = [
    ...['--pdeathsig', 'KILL', 'nsenter', `--net=/run/netns/${netns}`, '--', 'qemu-system-x86_64'],
    ...['-accel', 'tcg', '-machine', 'q35,sata=off', '-cpu', 'qemu64,svm=off', '-smp', '2'],
    ...['-m', '1536', '-uuid', '6ba7b816-9dad-41d1-80b4-00c04fd430c8', '-no-reboot'],
    ...['-netdev', 'tap,id=net,ifname=tap0,script=no,downscript=no'],
    ...['-device', 'virtio-net-pci,netdev=net,mac=52:54:00:77:00:0a,bootindex=1'],
    ...['-device', 'virtio-rng-pci', '-nodefaults', '-display', 'none', '-serial', 'stdio']
  ]
  const startedAt = performance.now()
  const emulator = spawn('setpriv', words, { stdio: ['ignore', 'pipe', 'inherit'] })
  const exit = once(emulator, 'exit')
  const steps: (readonly [string, number])[] = []
  let console = ''
  emulator.stdout.on('data', (chunk: Buffer) => {
    console += chunk.toString('latin1')
    for (const [name, pattern] of Object.entries(said).slice(steps.length)) {
      if (pattern.test(console)) steps.push([name, performance.now() - startedAt])
    }
  })
  try {
    while (!(await isDone())) {
      const isLate = performance.now() - startedAt > patienceMs
      if (isLate || emulator.exitCode !== null) throw new Error(`it got no further: ${console}`)
      await sleep(100)
    }
    return steps
  } finally {
    emulator.kill('SIGKILL')
    await exit
  }
}
