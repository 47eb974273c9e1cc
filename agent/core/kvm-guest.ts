/**
 * The smallest guest that can say that it runs as real ones do: one boot sector. The firmware loads
 * it to 0x7c00 and starts it in real mode. It goes to protected mode, where it has itself
 * interrupted and returns from that, then to long mode with pages, where it does so again. There
 * it writes its words, byte by byte, to the debug console at port 0xe9, and has the keyboard
 * controller reset the machine, which ends an emulator that may not reboot.
 *
 * Words alone prove little: there are machines whose KVM runs a few plain instructions, slowly, and
 * gives up at the first interrupt ("KVM internal error"), which is where all that boots ends.
 *
 * ```
 * real       cli; ds = 0; lgdt; cr0.PE = 1; ljmp 08:protected
 * protected  ds = es = ss = 10; esp = 7c00; lidt; int 30
 *            clear 2000..4fff; 2000: 3003, 3000: 4003, 4000: 83 (2 MiB at 0)
 *            cr3 = 2000; cr4.PAE = 1; EFER.LME = 1; cr0.PG = 1; ljmp 18:long
 *            iret (answers int 30)
 * long       lidt; int 31
 *            next: lodsb; jz reset; out e9; jmp next
 *            reset: out 64, fe; halt: hlt; jmp halt
 *            iretq (answers int 31)
 * tables     gdt: null, code of 32 bits, data, code of 64 bits; gdtr; idtr, each with one entry
 * words      db "a guest of remuda runs", 0
 * ```
 */

/** What the guest says when it runs. */
export const guestWords = 'a guest of remuda runs'

const code = bytesOf(
  // real
  'fa 31 c0 8e d8 66 0f 01 16 d0 7c 0f 20 c0 0c 01 0f 22 c0 66 ea 1b 7c 00 00 08 00',
  // protected
  '66 b8 10 00 8e d8 8e c0 8e d0 bc 00 7c 00 00 0f 01 1d d6 7c 00 00 cd 30 bf 00 20 00',
  '00 0f 22 df 31 c0 b9 00 0c 00 00 fc f3 ab c7 05 00 20 00 00 03 30 00 00 c7 05 00 30',
  '00 00 03 40 00 00 c7 05 00 40 00 00 83 00 00 00 0f 20 e0 0c 20 0f 22 e0 b9 80 00 00',
  'c0 0f 32 80 cc 01 0f 30 0f 20 c0 0d 00 00 00 80 0f 22 c0 ea 8a 7c 00 00 18 00',
  // iret
  'cf',
  // long
  '0f 01 1c 25 dc 7c 00 00 cd 31 be fe 7c 00 00 ac 84 c0 74 04 e6 e9 eb f7 b0 fe e6 64',
  'f4 eb fd',
  // iretq
  '48 cf 0f 1f 44 00 00',
  // tables
  '00 00 00 00 00 00 00 00 ff ff 00 00 00 9b cf 00 ff ff 00 00 00 93 cf 00 ff ff 00 00',
  '00 9b af 00 1f 00 b0 7c 00 00 87 01 66 7b 00 00 1f 03 de 79 00 00 00 00 00 00 89 7c',
  '08 00 00 8e 00 00 a9 7c 18 00 00 8e 00 00 00 00 00 00 00 00 00 00'
)

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

/** Bytes that are written as hexadecimal numbers, with spaces between. */
function bytesOf(...lines: readonly string[]): readonly number[] {
  return lines.flatMap(line => line.split(' ').map(byte => Number.parseInt(byte, 16)))
}
