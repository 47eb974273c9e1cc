/**
 * Firmware and networks beside plain BIOS and UEFI PXE: another server that gives the addresses;
 * UEFI that fetches over HTTP by itself gets as far as the check of its image, where it is like all
 * others; and one that lets nothing run but what is signed does not run iPXE. Real bootd, dnsmasq
 * and image, emulated machines.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, cp, open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import type { BootMachine, BootPlan } from '../../shared/wire/boot.ts'
import { cacheOf, findUnpacked, unpackPackages } from '../../tools/debian/unpack.ts'
import { readyHostImage } from '../../tools/host-image/ready.ts'
import { foreignServer } from '../lab/netboot/foreign-server.ts'
import { range, Segment } from '../lab/netboot/segment.ts'
import { patienceMs, tell } from './scene.ts'
import { type Version, versionOf } from './versions.ts'

const full = ['--boot-mode', 'full', '--boot-range', range]
const ovmf = '/usr/share/OVMF'
// All that the kernel says, which also says whether Secure Boot is on.
const kernelOptions = 'console=ttyS0 loglevel=7'

const uuid = '6ba7b812-9dad-41d1-80b4-00c04fd430c8'

/** The machine, where the plan names it. */
const known: BootMachine = {
  ...{ name: 'host-1', uuid, macs: [], profile: 'host', wish: 'image 2', kernelOptions },
  ...{ version: '', secret: 'a-secret-of-host-1-alone' }
}

/** How a machine comes to its first file, and what its firmware runs. */
type Firmware = {
  /** UEFI, and its variables; left out: BIOS, with iPXE on the card. */
  readonly uefi?: { readonly code: string; readonly variables: string }
  /** Words for the emulator. */
  readonly machine: readonly string[]
  /** The emulator; left out: that of x86-64. */
  readonly emulator?: readonly string[]
  /** It boots anew when it reboots; left out: it is off then. */
  readonly again?: true
}

/** Without PXE it goes to HTTP at once, instead of after its time-outs. */
const httpOnly = ['4', '6'].flatMap(version => [
  ...['-fw_cfg', `name=opt/org.tianocore/IPv${version}PXESupport,string=n`]
])

const emulatorOfX64 = [
  ...['qemu-system-x86_64', '-accel', 'tcg', '-cpu', 'qemu64,svm=off', '-vga', 'std']
]
const bios: Firmware = { machine: ['-machine', 'q35,sata=off'] }
const plain: Firmware = {
  uefi: { code: `${ovmf}/OVMF_CODE_4M.fd`, variables: `${ovmf}/OVMF_VARS_4M.fd` },
  machine: ['-machine', 'q35,sata=off']
}
/** Its variables hold the keys of Microsoft, as those of machines that are sold do. */
const secure: Firmware = {
  uefi: { code: `${ovmf}/OVMF_CODE_4M.secboot.fd`, variables: `${ovmf}/OVMF_VARS_4M.ms.fd` },
  machine: [
    ...['-machine', 'q35,sata=off,smm=on', '-global', 'ICH9-LPC.disable_s3=1'],
    ...['-global', 'driver=cfi.pflash01,property=secure,value=on']
  ]
}

const arm64: Firmware = {
  emulator: ['qemu-system-aarch64', '-accel', 'tcg', '-cpu', 'cortex-a57'],
  uefi: { code: '/usr/share/AAVMF/AAVMF_CODE.fd', variables: '/usr/share/AAVMF/AAVMF_VARS.fd' },
  machine: ['-machine', 'virt']
}

test.serial('arm64 gets its own first file, and is told that there is no image for it', async t => {
  t.timeout(2 * patienceMs)
  // Debian's stable release has no iPXE for it.
  const wish = { what: 'iPXE', suite: 'sid', packages: ['ipxe'], versionOf: 'ipxe' }
  const cache = cacheOf('ipxe')
  const found = (await findUnpacked(cache)).at(-1)
  const { folder } = found ?? (await unpackPackages({ ...wish, refuse: () => undefined, cache }))
  const own = { 'snponly-arm64.efi': join(folder, 'usr/lib/ipxe/ipxe-arm64.efi') }
  await using scene = await Scene.open(t, full, { firmware: own })
  await scene.start(arm64)
  const waiting = await scene.untilStage('waiting')
  t.like(waiting, { firmware: 'uefi', architecture: 'aarch64' })
  t.regex(String(waiting['because']), /^image version \w+ is for x86_64, and it is aarch64$/)
  await scene.untilSaid(/is for x86_64, and it is aarch64/)
})

test.serial('UEFI that fetches by HTTP boots the host image', async t => {
  await using scene = await Scene.open(t, full)
  await scene.start({ ...plain, machine: [...plain.machine, ...httpOnly] })
  const verified = await scene.untilVerified()
  t.like(verified, { firmware: 'http' })
  t.true(hasScript(verified))
})

test.serial('Secure Boot: iPXE, which nobody has signed, is not run', async t => {
  await using scene = await Scene.open(t, full)
  await scene.start({ ...secure, machine: [...secure.machine, ...httpOnly] })
  await scene.untilSaid(/Access Denied|Security Violation|failed to (load|start)/i)
  // The script is the first thing that iPXE asks for.
  t.deepEqual((await scene.segment.boots()).filter(hasScript), [])
  t.notRegex(await scene.console(), /iPXE/)
})

test.serial("Secure Boot: Debian's shim, GRUB and kernel boot the host image", async t => {
  await using scene = await Scene.open(t, [...full, '--boot-loader', 'signed'])
  await scene.start(secure)
  t.like(await scene.untilVerified(), { firmware: 'uefi', architecture: 'x86_64' })
  t.regex(await scene.console(), /secureboot: Secure boot enabled/)
})

test.serial(
  'by GRUB, a kernel that dies three times is given up for the version before',
  async t => {
    const image = await readyHostImage({ progress: tell })
    await using scene = await Scene.open(t, [...full, '--boot-loader', 'signed'], {
      wish: async into => await versionOf(image, 'stillborn', into)
    })
    await scene.start({ ...plain, again: true })
    const verified = await scene.untilVerified()
    t.like(verified, { firmware: 'uefi', version: image.manifest.version, failures: 3 })
    const deaths = (await scene.console()).match(/Kernel panic - not syncing/g) ?? []
    t.is(deaths.length, 3)
  }
)

for (const [name, firmware] of Object.entries({ BIOS: bios, UEFI: plain })) {
  test.serial(`${name} boots the host image where another server gives the addresses`, async t => {
    await using scene = await Scene.open(t, ['--boot-mode', 'proxy'])
    await using other = await scene.segment.machine()
    await using _ = await foreignServer(scene.segment, other)
    await scene.start(firmware)
    const verified = await scene.untilVerified()
    t.like(verified, { firmware: name.toLowerCase() })
    t.true(hasScript(verified))
  })
}

/** Whether a boot got to its script. */
const hasScript = ({ stages }: Readonly<Record<string, unknown>>): boolean =>
  (stages as readonly { readonly stage: string }[]).some(({ stage }) => stage === 'script')

/** A segment with the real image, and one machine on it. */
class Scene implements AsyncDisposable {
  readonly segment: Segment
  #emulator: ChildProcess | undefined

  private constructor(segment: Segment) {
    this.segment = segment
  }

  /** Has bootd serve the image to machines that nobody knows. */
  static async open(
    t: ExecutionContext,
    flags: readonly string[],
    {
      firmware = {},
      wish
    }: {
      /** First files that an operator has put there, and where they are. */
      readonly firmware?: Readonly<Record<string, string>>
      /** Makes a version in a folder that the machine shall boot, before the good one. */
      readonly wish?: (into: string) => Promise<Version>
    } = {}
  ): Promise<Scene> {
    t.timeout(2 * patienceMs)
    const image = await readyHostImage({ progress: tell })
    const segment = await Segment.make()
    const { version } = image.manifest
    const { state, plan } = segment
    await cp(image.folder, join(state, 'bootd/images', version), { recursive: true })
    for (const [name, from] of Object.entries(firmware)) {
      await cp(from, join(state, 'bootd/firmware', name))
    }
    const wished = await wish?.(join(state, 'bootd/images'))
    const versions = [version, ...(wished ? [wished.version] : [])]
    const own: BootPlan = {
      ...plan,
      machines: wished ? [{ ...known, version: wished.version, fallback: version }] : [],
      imageKey: image.publicKey.trim().split('\n').at(-1)!,
      unknown: { profile: 'host', version, kernelOptions },
      images: versions.map(each => ({ version: each, from: [] }))
    }
    await writeFile(join(state, 'bootd/boot-plan.json'), JSON.stringify(own), { mode: 0o600 })
    segment.start(...flags)
    await segment.logged(/dnsmasq of network boot runs/)
    for (const each of versions) {
      await segment.logged(new RegExp(`image version is whole.*${each}`))
    }
    return new Scene(segment)
  }

  /** Gives a machine its power. */
  async start({ uefi, machine, emulator = emulatorOfX64, again }: Firmware): Promise<void> {
    const { folder, host } = this.segment
    const lines = ['link set dev tap0 master br0', 'link set dev tap0 up']
    await host.run('ip', ['tuntap', 'add', 'dev', 'tap0', 'mode', 'tap'])
    await host.run('ip', ['-batch', '-'], lines.join('\n'))
    const own = join(folder, 'variables.fd')
    if (uefi) await copyFile(uefi.variables, own)
    const drive = (unit: number, file: string): readonly string[] => [
      ...['-drive', `if=pflash,unit=${unit},format=raw,file=${file}`]
    ]
    const words = [
      ...['--pdeathsig', 'KILL', 'nsenter', `--net=/run/netns/${host.name}`, '--'],
      ...[...emulator, '-m', '1536', '-uuid', uuid, ...machine],
      ...(uefi ? [...drive(0, `${uefi.code},readonly=on`), ...drive(1, own)] : []),
      ...['-netdev', 'tap,id=net,ifname=tap0,script=no,downscript=no'],
      // With UEFI no iPXE of the emulator's own: the firmware's is tried.
      '-device',
      `virtio-net-pci,netdev=net,mac=52:54:00:77:00:09,bootindex=1${uefi ? ',romfile=' : ''}`,
      ...['-device', 'virtio-rng-pci', '-nodefaults', '-display', 'none'],
      ...['-serial', `file:${this.#log}`, ...(again ? [] : ['-no-reboot'])]
    ]
    const log = await open(join(folder, 'emulator.log'), 'a')
    this.#emulator = spawn('setpriv', words, { stdio: ['ignore', log.fd, log.fd] })
    await once(this.#emulator, 'spawn')
    await log.close()
  }

  /** What the machine has written to its serial port. */
  async console(): Promise<string> {
    return await readFile(this.#log, 'latin1').catch(() => '')
  }

  /** Waits until its first stage says that the image is what was signed. */
  async untilVerified(): Promise<Readonly<Record<string, unknown>>> {
    return await this.untilStage('verified', 'system')
  }

  /** Waits until its boot is in one of some stages. */
  async untilStage(...wanted: readonly string[]): Promise<Readonly<Record<string, unknown>>> {
    return await this.#until(`its boot is in stage ${wanted[0]}`, async () =>
      (await this.segment.boots()).find(({ stage }) => wanted.includes(String(stage)))
    )
  }

  /** Waits until it has written something. */
  async untilSaid(pattern: RegExp): Promise<void> {
    await this.#until(`it says ${pattern}`, async () => pattern.test(await this.console()))
  }

  get #log(): string {
    return join(this.segment.folder, 'console.log')
  }

  async #until<Value>(
    what: string,
    look: () => Promise<Value | undefined | false>
  ): Promise<Value> {
    const end = performance.now() + patienceMs
    for (;;) {
      const value = await look()
      if (value !== undefined && value !== false) return value
      if (performance.now() > end || this.#emulator?.exitCode != null) {
        const said = (await this.console()).slice(-2_000)
        throw new Error(`not within ${patienceMs} ms: ${what}\n${said}\n${this.segment.log}`)
      }
      await sleep(200)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const emulator = this.#emulator
    if (emulator && emulator.exitCode === null && emulator.signalCode === null) {
      const ended = once(emulator, 'exit')
      emulator.kill('SIGKILL')
      await ended
    }
    await this.segment[Symbol.asyncDispose]()
  }
}
