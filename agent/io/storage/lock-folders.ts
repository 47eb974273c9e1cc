/**
 * Whether volumes of a pool are locked on this host as is wished: by virtlockd, on the volumes
 * themselves or in a folder of its own, where the pool's file system keeps locks to itself. A lock
 * that other hosts do not see is worse than none, for it is relied on: so what is known not to tell
 * them is refused, and so is a host that holds its locks elsewhere than the others do.
 */
import fs from 'node:fs/promises'
import { Fault } from '#shared/fault.ts'
import { exists } from '#shared/files.ts'
import type { OrderPool } from '#shared/wire/order.ts'
import { MarkerBook } from './markers.ts'

/** How the libvirt of a host locks, or why it does not. */
export type LockReadiness =
  | { readonly fault: string }
  /** Left out: on the volumes themselves. */
  | { readonly folder?: string }

/** Looks how the libvirt of this host locks. */
export type LockService = () => Promise<LockReadiness>

/** Those of FUSE's file systems that tell other hosts of locks. */
const fuseThatLocks: ReadonlySet<string> = new Set(['fuse.glusterfs', 'fuse.ceph-fuse'])

/** Judges each pool whose volumes are to be locked. */
export class LockFolders {
  readonly #service: LockService
  readonly #known: MarkerBook

  constructor(options: {
    readonly service: LockService
    readonly book: string
    readonly mark: string
  }) {
    const { service, book, mark } = options
    this.#service = service
    this.#known = new MarkerBook({ book, mark, markerName: '.remuda-locks' })
  }

  /** Makes the folder of the book. */
  async open(): Promise<void> {
    await this.#known.open()
  }

  /** Fault `unavailable`: its volumes are to be locked, and would not be. */
  async check(pool: OrderPool, poolPath: string): Promise<void> {
    if (pool.locks !== 'virtlockd') return
    const because = await this.#fault(pool, poolPath)
    if (because === undefined) return
    throw new Fault('unavailable', `cannot lock volumes of pool ${pool.name}: ${because}`)
  }

  async #fault({ name, lockFolder }: OrderPool, poolPath: string): Promise<string | undefined> {
    const ready = await this.#service()
    if ('fault' in ready) return ready.fault
    if (ready.folder !== lockFolder) return otherFolder(ready.folder, lockFolder)
    if (lockFolder !== undefined && !(await exists(lockFolder))) {
      return `${lockFolder} is not there; is it mounted?`
    }
    const mountinfo = await fs.readFile('/proc/self/mountinfo', 'utf8')
    const blind = blindness(mountinfo, lockFolder ?? poolPath)
    if (blind !== undefined || lockFolder === undefined) return blind
    const seen = await this.#known.look(name, lockFolder)
    if (seen.state === 'new') await this.#known.found(name, lockFolder)
    if (seen.state !== 'changed') return undefined
    return (
      `${lockFolder} is not what it was when it was first used; ` +
      `is it mounted? If it was emptied on purpose, remove ${seen.keptAt}`
    )
  }
}

const otherFolder = (here: string | undefined, wished: string | undefined): string =>
  `virtlockd holds locks ${placeOf(here)} here, and they are to be held ${placeOf(wished)}: ` +
  'see file_lockspace_dir in /etc/libvirt/qemu-lockd.conf'

const placeOf = (folder: string | undefined): string =>
  folder === undefined ? 'on the volumes themselves' : `in ${folder}`

/** Says why locks below a path do not reach other hosts; undefined: nothing speaks against it. */
export function blindness(mountinfo: string, path: string): string | undefined {
  const mount = mountOf(mountinfo, path)
  if (mount === undefined) return undefined
  const { type, options, point } = mount
  const local = options.find(option => /^(nolock|local_lock=(all|posix))$/.test(option))
  if (type.startsWith('nfs') && local !== undefined) {
    return `${point} is mounted with ${local}: other hosts do not see locks there`
  }
  if ((type === 'fuse' || type.startsWith('fuse.')) && !fuseThatLocks.has(type)) {
    return `${point} is ${type}, which is not known to tell other hosts of locks`
  }
  return undefined
}

type Mount = {
  readonly point: string
  readonly type: string
  readonly options: readonly string[]
}

/** The mount that a path is on: the last one of those with the longest path, see proc(5). */
function mountOf(mountinfo: string, path: string): Mount | undefined {
  let found: Mount | undefined
  for (const line of mountinfo.split('\n')) {
    const [before = '', after = ''] = line.split(' - ')
    const point = before.split(' ')[4]?.replace(/\\(\d{3})/g, unescaped)
    const [type, , options = ''] = after.split(' ')
    if (point === undefined || type === undefined) continue
    const isAbove = point === '/' || path === point || path.startsWith(`${point}/`)
    if (!isAbove || point.length < (found?.point.length ?? 0)) continue
    found = { point, type, options: options.split(',') }
  }
  return found
}

const unescaped = (_: string, octal: string): string =>
  String.fromCharCode(Number.parseInt(octal, 8))
