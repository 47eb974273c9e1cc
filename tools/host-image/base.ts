/**
 * The root of a host before anything of ours: Debian's packages, installed by mmdebstrap into a
 * tar. It takes minutes, so it is kept between builds, by the versions of the packages in it.
 */
import { createHash } from 'node:crypto'
import { chmod, mkdtemp, readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exists } from '#shared/files.ts'
import { run } from '../image/run.ts'
import { type Archive, type DebianPackage, sourceLines } from './archive.ts'
import { rootPackages } from './packages.ts'

/** Which root. */
export type BaseOptions = {
  readonly archive: Archive
  readonly release: string
  readonly architecture: string
  readonly cache: string
  /** Makes it anew even if it is there. */
  readonly fresh?: boolean | undefined
  readonly progress: (line: string) => void
  readonly signal?: AbortSignal | undefined
}

/** A root in a tar. */
export type Base = { readonly tar: string; readonly packages: readonly DebianPackage[] }

/**
 * The moment of all files: that of the release of what is in them says nothing, and two builds must
 * be the same. The clock of a host starts no earlier. 2026-01-01. Unit: s.
 */
export const epochS = 1_767_225_600

const installMsMax = 3_600_000
/** So many roots are kept; the oldest goes. */
const basesMax = 3
/**
 * Files of packages that are not even unpacked. What is unpacked need not be on the disk before the
 * next package is: where the power fails meanwhile, all of it is made anew.
 */
const dpkgOptions = [
  ...['doc', 'man', 'info', 'locale', 'lintian', 'bug'].map(
    folder => `path-exclude=/usr/share/${folder}/*`
  ),
  'force-unsafe-io'
]

/** Gives the root of today's packages. Faults: `command`, `unavailable`, `deadline`, `aborted`. */
export async function makeBase(options: BaseOptions): Promise<Base> {
  const { archive, release, architecture, cache, fresh, progress, signal } = options
  const names = Object.keys(rootPackages)
  const packages = await archive.resolve(['?essential', ...names])
  const key = createHash('sha256')
    .update(JSON.stringify([release, architecture, epochS, dpkgOptions, names, packages]))
    .digest('hex')
    .slice(0, 16)
  const tar = join(cache, `base-${release}-${architecture}-${key}.tar`)
  if (!fresh && (await exists(tar))) {
    progress(`the root of ${packages.length} packages is there already`)
    await utimes(tar, new Date(), new Date())
    return { tar, packages }
  }
  progress(`installing ${packages.length} packages into a root, which takes minutes`)
  const draft = `${tar}.${process.pid}.tar`
  const work = await mkdtemp(join(tmpdir(), 'remuda-root-'))
  try {
    // Who fetches packages has no rights, and must get there.
    await chmod(work, 0o755)
    const settings = [
      ...['APT::Install-Recommends "false"', 'Acquire::Languages "none"'],
      // Lists are as old as the archive's last change; that apt has checked their signature stands.
      'Acquire::Check-Valid-Until "false"'
    ].map(setting => `--aptopt=${setting}`)
    // What it mounts and starts goes with it, also when it is ended in the middle.
    const alone = ['--mount', '--propagation', 'private', '--mount-proc', '--pid', '--fork']
    await run(
      'unshare',
      [
        ...[...alone, '--kill-child', 'mmdebstrap'],
        ...['--quiet', '--mode=root', '--variant=essential', '--format=tar'],
        `--architectures=${architecture}`,
        ...settings,
        ...dpkgOptions.map(each => `--dpkgopt=${each}`),
        `--include=${names.join(',')}`,
        // Its lists are what it was asked for a moment ago.
        ...['--skip=update', `--setup-hook=${copyLists(archive.lists)}`],
        ...[release, draft, ...sourceLines(release, 'main')]
      ],
      { env: { SOURCE_DATE_EPOCH: String(epochS), TMPDIR: work }, deadlineMs: installMsMax, signal }
    )
    await rename(draft, tar)
  } finally {
    await rm(draft, { force: true })
    await rm(work, { recursive: true, force: true, maxRetries: 10 })
  }
  await removeOldest(cache)
  return { tar, packages }
}

/** For a shell that is given the new root as its first argument. */
const copyLists = (lists: string): string =>
  `mkdir -p "$1/var/lib/apt/lists" && cp -a '${lists}/.' "$1/var/lib/apt/lists/"`

async function removeOldest(cache: string): Promise<void> {
  const names = (await readdir(cache)).filter(name => /^base-.*\.tar$/.test(name))
  const aged = await Promise.all(
    names.map(async name => ({ name, at: (await stat(join(cache, name))).mtimeMs }))
  )
  const surplus = aged.toSorted((one, other) => other.at - one.at).slice(basesMax)
  for (const { name } of surplus) await rm(join(cache, name), { force: true })
}
