import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import {
  blindness,
  LockFolders,
  type LockReadiness
} from '../../../agent/io/storage/lock-folders.ts'
import { samplePool } from '../../contracts/storage-samples.ts'

/** Lines of /proc/self/mountinfo: the root, and one mount below it. */
const mounted = (type: string, options: string, point = '/mnt/pool'): string =>
  [
    '22 1 254:0 / / rw,relatime - ext4 /dev/root rw',
    `40 22 0:45 / ${point} rw,relatime shared:7 - ${type} server:/pool ${options}`,
    ''
  ].join('\n')

const mounts: readonly (readonly [string, string, string | undefined])[] = [
  ['the disk of a host, as all hosts of a lab have it', '', undefined],
  ['NFS 4', mounted('nfs4', 'rw,vers=4.2,hard,local_lock=none'), undefined],
  [
    'NFS whose locks stay here',
    mounted('nfs', 'rw,vers=3,local_lock=all'),
    '/mnt/pool is mounted with local_lock=all: other hosts do not see locks there'
  ],
  [
    'NFS without locks',
    mounted('nfs', 'rw,vers=3,nolock'),
    '/mnt/pool is mounted with nolock: other hosts do not see locks there'
  ],
  [
    'sshfs',
    mounted('fuse.sshfs', 'rw'),
    '/mnt/pool is fuse.sshfs, which is not known to tell other hosts of locks'
  ],
  ['GlusterFS', mounted('fuse.glusterfs', 'rw'), undefined],
  ['another mount with a name that begins alike', mounted('fuse', 'rw', '/mnt/po'), undefined]
]
for (const [name, mountinfo, because] of mounts) {
  test(`whether locks reach other hosts on ${name}`, t => {
    t.is(blindness(mountinfo, '/mnt/pool/a'), because)
  })
}

test('the last of several mounts at one place counts, and names may have blanks', t => {
  const text = mounted('nfs4', 'rw', '/a\\040b') + mounted('fuse.s3fs', 'rw', '/a\\040b')
  t.regex(blindness(text, '/a b/locks') ?? '', /^\/a b is fuse\.s3fs/)
})

/** A host whose libvirt locks in some way, and a folder for its files. */
async function host(t: { teardown(end: () => Promise<void>): void }, ready: LockReadiness) {
  const folder = await mkdtemp(join(tmpdir(), 'remuda-locks-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const locks = new LockFolders({
    service: async () => ready,
    book: join(folder, 'known'),
    mark: 'h1'
  })
  await locks.open()
  return { folder, locks }
}

const pool = { ...samplePool, name: 'shared', shared: true, locks: 'virtlockd' } as const

test('a pool without locks asks nobody', async t => {
  const { locks, folder } = await host(t, { fault: 'none' })
  await t.notThrowsAsync(locks.check({ ...pool, locks: 'none' }, folder))
})

test('a host that cannot lock does not use a pool with locks', async t => {
  const { locks, folder } = await host(t, { fault: 'virtlockd does not answer' })
  await t.throwsAsync(locks.check(pool, folder), {
    code: 'unavailable',
    message: 'cannot lock volumes of pool shared: virtlockd does not answer'
  })
})

test('locks on the volumes themselves need no folder', async t => {
  const { locks, folder } = await host(t, {})
  await t.notThrowsAsync(locks.check(pool, folder))
})

for (const [title, here, wished, because] of [
  [
    'a host that holds its locks on the volumes does not use a pool with a folder for them',
    undefined,
    '/locks',
    /virtlockd holds locks on the volumes themselves here, and they are to be held in \/locks:/
  ],
  [
    'a host with a folder for locks does not use a pool without',
    '/locks',
    undefined,
    /virtlockd holds locks in \/locks here, and they are to be held on the volumes themselves:/
  ]
] as const) {
  test(title, async t => {
    const { locks, folder } = await host(t, here === undefined ? {} : { folder: here })
    const wish = wished === undefined ? pool : { ...pool, lockFolder: wished }
    await t.throwsAsync(locks.check(wish, folder), { message: because })
  })
}

test('a folder for locks that is empty although it was used is not trusted', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'remuda-locks-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const lockFolder = join(folder, 'locks')
  const { locks } = await host(t, { folder: lockFolder })
  const wish = { ...pool, lockFolder }
  await t.throwsAsync(locks.check(wish, folder), {
    message: /locks is not there; is it mounted\?$/
  })
  await mkdir(lockFolder)
  await locks.check(wish, folder)
  await locks.check(wish, folder)
  await rm(lockFolder, { recursive: true })
  await mkdir(lockFolder)
  await t.throwsAsync(locks.check(wish, folder), { message: /is not what it was/ })
})
