/** The smallest guests that a real libvirt can run, and the files that they start from. */
import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { metadataNamespace } from '../../agent/io/libvirt/description.ts'
import type { GuestSpec } from '../contracts/hypervisor.ts'

/** Where guests start from: a disk for machines, a root directory for containers. */
export type GuestFiles = {
  readonly disk: string
  readonly root: string
  /** Of a machine that never stops writing to its memory. */
  readonly busy: string
}

/** Describes a guest to libvirt. */
export const guestXml = (
  spec: GuestSpec,
  { disk, root }: Pick<GuestFiles, 'disk' | 'root'>
): string => (spec.driver === 'qemu' ? machineXml(spec, disk) : containerXml(spec, root))

/** Writes the files that guests need into a directory. Needs Debian's busybox-static. */
export async function prepareGuests(directory: string): Promise<GuestFiles> {
  const disk = join(directory, 'echo.img')
  const root = join(directory, 'root')
  const busy = join(directory, 'busy.img')
  await writeFile(disk, echoDisk())
  await writeFile(busy, busyDisk())
  for (const name of ['bin', 'dev', 'proc', 'sys']) {
    await mkdir(join(root, name), { recursive: true })
  }
  await copyFile('/bin/busybox', join(root, 'bin/busybox'))
  return { disk, root, busy }
}

/**
 * A disk whose boot sector writes to each page of 16 MiB, again and again, for ever: so much is to
 * be sent of its machine in each round, however fast that goes.
 */
function busyDisk(): Buffer {
  const program = [
    ...[0xfa], //                               cli
    ...[0x31, 0xc0, 0x8e, 0xd8], //             ds = 0
    ...[0x0f, 0x01, 0x16, 0x4c, 0x7c], //       lgdt [table]
    ...[0x0f, 0x20, 0xc0, 0x0c, 0x01], //       mov eax, cr0; or al, 1
    ...[0x0f, 0x22, 0xc0], //                   mov cr0, eax     protected mode
    ...[0xea, 0x17, 0x7c, 0x08, 0x00], //       jmp 8:p
    ...[0x66, 0xb8, 0x10, 0x00], //         p:  mov ax, 16
    ...[0x8e, 0xd8], //                         mov ds, ax
    ...[0xbf, 0x00, 0x00, 0x20, 0x00], //   r:  mov edi, 2 MiB
    ...[0xb9, 0x00, 0x10, 0x00, 0x00], //       mov ecx, 4096
    ...[0xff, 0x07], //                     n:  inc dword [edi]
    ...[0x81, 0xc7, 0x00, 0x10, 0x00, 0x00], // add edi, 4096
    ...[0x49, 0x75, 0xf5], //                   dec ecx; jnz n
    ...[0xeb, 0xe9], //                         jmp r
    ...[0, 0, 0, 0, 0, 0, 0, 0], //             segments: none,
    ...[0xff, 0xff, 0x00, 0x00, 0x00, 0x9a, 0xcf, 0x00], // code,
    ...[0xff, 0xff, 0x00, 0x00, 0x00, 0x92, 0xcf, 0x00], // and data, 4 GiB each
    ...[0x17, 0x00, 0x34, 0x7c, 0x00, 0x00] //  table: its length and place
  ]
  const disk = Buffer.alloc(2 ** 20)
  disk.set(program)
  disk.set([0x55, 0xaa], 510)
  return disk
}

/**
 * A disk of 1 MiB whose boot sector says R on the serial port and then gives back each byte. It
 * knows no ACPI. (SeaBIOS does not boot from a disk of a few kilobytes.)
 */
function echoDisk(): Buffer {
  const program = [
    ...[0xba, 0xf8, 0x03], //   mov dx, 0x3f8     the data register of COM1
    ...[0xb0, 0x52], //         mov al, 'R'
    ...[0xee], //               out dx, al
    ...[0xba, 0xfd, 0x03], // l: mov dx, 0x3fd    the line status register
    ...[0xec], //               in al, dx
    ...[0xa8, 0x01], //         test al, 1        has a byte come?
    ...[0x75, 0x04], //         jnz e
    ...[0xfb], //               sti
    ...[0xf4], //               hlt               until the timer, 18 times a second
    ...[0xeb, 0xf4], //         jmp l
    ...[0xba, 0xf8, 0x03], // e: mov dx, 0x3f8
    ...[0xec], //               in al, dx
    ...[0xee], //               out dx, al
    ...[0xeb, 0xed] //          jmp l
  ]
  const disk = Buffer.alloc(2 ** 20)
  disk.set(program)
  disk.set([0x55, 0xaa], 510)
  return disk
}

const machineXml = (spec: GuestSpec, disk: string): string => `
<domain type='qemu'>
  ${common(spec)}
  <os><type machine='q35'>hvm</type></os>
  <features><acpi/></features>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='${disk}'/>
      <target dev='vda' bus='virtio'/>
      <readonly/>
      <shareable/>
    </disk>
    <controller type='usb' model='none'/>
    <controller type='pci' model='pcie-root'/>
    <controller type='pci' model='pcie-root-port'/>
    <controller type='pci' model='pcie-root-port'/>
    <memballoon model='none'/>
    <serial type='pty'/>
  </devices>
</domain>`

/** Ends when it is asked to. What is typed at its console comes back from the terminal. */
const containerXml = (spec: GuestSpec, root: string): string => `
<domain type='lxc'>
  ${common(spec)}
  <os>
    <type>exe</type>
    <init>/bin/busybox</init>
    <initarg>sh</initarg>
    <initarg>-c</initarg>
    <initarg>trap 'exit 0' TERM; while :; do /bin/busybox sleep 60 &amp; wait; done</initarg>
  </os>
  <devices>
    <filesystem type='mount'><source dir='${root}'/><target dir='/'/></filesystem>
    <console type='pty'/>
  </devices>
</domain>`

const common = ({ uuid, name, memoryMib, metadata }: GuestSpec): string => `
  <uuid>${uuid}</uuid>
  <name>${name}</name>
  <memory unit='MiB'>${memoryMib}</memory>
  <vcpu>1</vcpu>
  ${metadata === undefined ? '' : metadataXml(metadata)}`

const metadataXml = (text: string): string =>
  `<metadata><remuda:instance xmlns:remuda='${metadataNamespace}'>${escaped(text)}` +
  '</remuda:instance></metadata>'

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
