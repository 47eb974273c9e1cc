/**
 * The smallest guest that can say that it runs: one boot sector in 16-bit code. The firmware loads
 * it to 0x7c00; it writes its words, byte by byte, to the debug console at port 0xe9, and then has
 * the keyboard controller reset the machine, which ends an emulator that may not reboot.
 *
 * ```
 * 7c00  fa           cli
 * 7c01  31 c0        xor  ax, ax
 * 7c03  8e d8        mov  ds, ax
 * 7c05  fc           cld
 * 7c06  be 19 7c     mov  si, words
 * 7c09  ac     next: lodsb
 * 7c0a  84 c0        test al, al
 * 7c0c  74 04        jz   reset
 * 7c0e  e6 e9        out  0xe9, al
 * 7c10  eb f7        jmp  next
 * 7c12  b0 fe reset: mov  al, 0xfe
 * 7c14  e6 64        out  0x64, al
 * 7c16  f4     halt: hlt
 * 7c17  eb fd        jmp  halt
 * 7c19        words: db   "a guest of remuda runs", 0
 * ```
 */

/** What the guest says when it runs. */
export const guestWords = 'a guest of remuda runs'

const code = [
  [0xfa],
  [0x31, 0xc0],
  [0x8e, 0xd8],
  [0xfc],
  [0xbe, 0x19, 0x7c],
  [0xac],
  [0x84, 0xc0],
  [0x74, 0x04],
  [0xe6, 0xe9],
  [0xeb, 0xf7],
  [0xb0, 0xfe],
  [0xe6, 0x64],
  [0xf4],
  [0xeb, 0xfd]
].flat()

/** Size of the guest's disk, in bytes: firmware boots from none that is smaller than a cylinder. */
export const guestDiskBytes = 1024 * 1024

/** The boot sector, 512 bytes: code, words, zeros, and the mark by which firmware knows it. */
export function guestSector(): Uint8Array {
  const sector = new Uint8Array(512)
  sector.set(code)
  sector.set(new TextEncoder().encode(guestWords), code.length)
  sector.set([0x55, 0xaa], 510)
  return sector
}

/** How qemu runs the guest so that its words come out on standard output. */
export function guestArguments(options: {
  readonly disk: string
  readonly accelerator: 'kvm' | 'tcg'
}): readonly string[] {
  // In qemu's option lists a comma is written twice.
  const disk = options.disk.replaceAll(',', ',,')
  // The processor as instances get it: where KVM runs a plain one, it may still refuse this one.
  return [
    ...['-machine', 'q35', '-accel', options.accelerator],
    ...['-cpu', options.accelerator === 'kvm' ? 'host' : 'max', '-m', '16'],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-drive', `if=none,id=boot,format=raw,readonly=on,file=${disk}`],
    ...['-device', 'virtio-blk-pci,drive=boot'],
    ...['-chardev', 'stdio,id=words', '-device', 'isa-debugcon,iobase=0xe9,chardev=words']
  ]
}
