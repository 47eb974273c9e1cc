/**
 * A later QEMU than the machine's, for labs whose VMs move.
 *
 * Debian 12 has QEMU 7.2, which may lose writes of a VM that it emulates while that is sent (see
 * docs/hosts.md); its backports have one that does not. The packages are unpacked beside the
 * system, never installed, and hosts of a lab see their files where the machine has its own. The
 * libraries are the machine's: a backport needs no others.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Fault, sentence } from '#shared/fault.ts'
import { exists } from '#shared/files.ts'
import { cacheOf, findUnpacked, unpackPackages } from '../debian/unpack.ts'
import { machineQemu, mayBreakMoves, qemuMovesMin, qemuVersionOf } from './version.ts'

/** What of an unpacked QEMU stands in for the machine's own, below the root of each. */
export const qemuPaths = [
  'usr/bin/qemu-system-x86_64',
  'usr/bin/qemu-system-i386',
  'usr/lib/x86_64-linux-gnu/qemu',
  'usr/share/qemu',
  'usr/share/seabios'
] as const

const packages = ['qemu-system-x86', 'qemu-system-common', 'qemu-system-data', 'seabios']
/** The release of Debian whose libraries it needs. */
const release = 'bookworm'
/** Variable that names the QEMU of labs whose VMs move: a folder, or `machine` for its own. */
const variable = 'REMUDA_QEMU'

/** Finds the unpacked QEMU, or downloads and unpacks it. Faults: `unavailable`, `command`. */
export async function qemuHome(
  options: { readonly signal?: AbortSignal; readonly progress?: (line: string) => void } = {}
): Promise<string> {
  const there = await findQemu()
  if (there !== undefined) return there
  const codename = await codenameHere()
  if (process.arch !== 'x64' || codename !== release) {
    throw new Fault('unavailable', `cannot use Debian's QEMU for ${release} on this machine`, {
      reasons: [`it is ${process.arch}, ${codename}`],
      next: [`install QEMU ${qemuMovesMin} or later`]
    })
  }
  options.progress?.('downloading QEMU')
  const { folder } = await unpackPackages({
    what: 'QEMU',
    suite: `${release}-backports`,
    packages,
    versionOf: 'qemu-system-x86',
    refuse: version =>
      mayBreakMoves(version) ? `it has ${version}, ${qemuMovesMin} is wanted` : undefined,
    cache: cacheOf('qemu'),
    signal: options.signal
  })
  await checkQemu(folder)
  return folder
}

/** Says which QEMU an unpacked one is. Fault `unavailable`: it does not run here. */
export async function checkQemu(folder: string): Promise<string> {
  const reasons: string[] = []
  for (const path of qemuPaths) {
    if (!(await exists(join(folder, path)))) reasons.push(`${join(folder, path)} is not there`)
    if (!(await exists(`/${path}`))) reasons.push(`/${path}, in whose place it comes, is not there`)
  }
  if (reasons.length === 0) {
    try {
      return await qemuVersionOf(join(folder, 'usr/bin/qemu-system-x86_64'))
    } catch (thrown) {
      reasons.push(sentence(thrown))
    }
  }
  throw new Fault('unavailable', `cannot use the QEMU in ${folder}`, {
    reasons,
    next: ['npm run qemu']
  })
}

/**
 * The QEMU for a lab whose VMs move, where the machine's own may break them and another one lies
 * unpacked; undefined: the machine's own.
 */
export async function qemuForMoves(): Promise<string | undefined> {
  const named = process.env[variable]
  if (named) return named === 'machine' ? undefined : named
  const own = await machineQemu()
  return own !== undefined && !mayBreakMoves(own) ? undefined : await findQemu()
}

async function findQemu(): Promise<string | undefined> {
  for (const { folder } of await findUnpacked(cacheOf('qemu'))) {
    const version = await checkQemu(folder).catch(() => '')
    if (!mayBreakMoves(version)) return folder
  }
  return undefined
}

async function codenameHere(): Promise<string> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '')
  return /^VERSION_CODENAME=(.*)$/m.exec(text)?.[1] ?? 'unknown'
}
