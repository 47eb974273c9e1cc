import {
  appendFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  utimes,
  writeFile
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { BootWords } from '../../../bootd/core/boot-settings.ts'
import { keepVersions } from '../../../bootd/io/boot/image-fetch.ts'
import { ImageStore } from '../../../bootd/io/boot/images.ts'
import { BootService } from '../../../bootd/io/boot/service.ts'
import { realClock } from '../../../shared/clock.ts'
import { makeImageDraft } from '../../../shared/host-image-draft.ts'
import { silentLog } from '../../../shared/log.ts'
import { makeSigningKeys, publicKeyText } from '../../../shared/signify.ts'
import { BootServer, imageKey, putVersion, until } from './boot-server.ts'
import { plan } from './plans.ts'

const common = { clock: realClock, log: silentLog }

async function temporary(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'remuda-images-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

const otherKey = publicKeyText(makeSigningKeys()).trim().split('\n')[1]!
type Put = Awaited<ReturnType<typeof putVersion>>

for (const [title, spoil, because, key] of [
  [
    'that is cut short',
    ({ folder }: Put) => writeFile(join(folder, 'root.squashfs'), 'short'),
    /its file root.squashfs has 5 bytes, not 300000/
  ],
  [
    'of which a byte is another',
    async ({ folder, files }: Put) => {
      const bytes = Buffer.from(files['root.squashfs'])
      bytes[77] = bytes[77]! ^ 1
      await writeFile(join(folder, 'root.squashfs'), bytes)
    },
    /its file root.squashfs has other content than its manifest says/
  ],
  [
    'without its kernel',
    ({ folder }: Put) => rm(join(folder, 'vmlinuz')),
    /its file vmlinuz is missing/
  ],
  [
    'without a signature',
    ({ folder }: Put) => rm(join(folder, 'manifest.json.sig')),
    /it is not signed/
  ],
  ['of another key', async () => {}, /it is signed by another key/, otherKey],
  [
    'whose manifest was changed',
    ({ folder, text }: Put) =>
      writeFile(join(folder, 'manifest.json'), text.replace('"0.1.0"', '"0.2.0"')),
    /it is that of version/
  ],
  [
    'whose manifest was written anew',
    ({ folder }: Put) => appendFile(join(folder, 'manifest.json'), ' '),
    /its signature does not fit it/
  ],
  [
    'whose manifest is none',
    ({ folder }: Put) => writeFile(join(folder, 'manifest.json'), '{}'),
    /cannot read its manifest/
  ]
] as const) {
  test(`a version ${title} is not given, and that is told`, async t => {
    const folder = await temporary(t)
    const put = await putVersion(folder)
    await spoil(put)
    await using store = await ImageStore.open({ ...common, folder, onChanged: () => {} })
    store.follow({ imageKey: key ?? imageKey, images: [] })
    await until(() => store.state(put.version).state === 'broken')
    const state = store.state(put.version)
    t.regex(state.state === 'broken' ? state.because : '', because)
    t.is(store.file(put.version, 'vmlinuz'), undefined)
  })
}

test('a version is seen when it is put there, and when it goes', async t => {
  const folder = await temporary(t)
  await using store = await ImageStore.open({ ...common, folder, onChanged: () => {} })
  store.follow({ imageKey, images: [] })
  const aside = await putVersion(join(folder, 'aside'))
  t.deepEqual(store.state(aside.version), { state: 'coming' })
  await rename(aside.folder, join(folder, aside.version))
  store.lookAgain()
  await until(() => store.state(aside.version).state === 'whole')
  t.is(store.reports()[0]?.manifest.version, aside.version)
  await rm(join(folder, aside.version), { recursive: true })
  store.lookAgain()
  await until(() => store.state(aside.version).state === 'coming')
  t.deepEqual(store.reports(), [])
})

test('of more versions than are known, the oldest is left out that no plan names', async t => {
  const folder = await temporary(t)
  const versions: string[] = []
  for (let at = 0; at < 66; at += 1) {
    const { version, folder: own } = await putVersion(folder, { rootBytes: 1_000 + at })
    await utimes(own, 1_000_000 + at, 1_000_000 + at)
    versions.push(version)
  }
  const [named, oldest, older, ...rest] = versions
  const warned: unknown[] = []
  const whole: unknown[] = []
  const log = {
    ...silentLog,
    warn: (...words: unknown[]) => void warned.push(words),
    info: (...words: unknown[]) => void whole.push(words)
  }
  const plan = { imageKey, images: [{ version: named!, from: [] }] }
  await using store = await ImageStore.open({ ...common, log, folder, plan, onChanged: () => {} })
  t.true(store.isUnchecked(named!), 'nobody has looked yet')
  const isWhole = (version: string): boolean => store.state(version).state === 'whole'
  await until(() => [named!, ...rest].every(isWhole))
  t.is(store.reports().length, 64)
  const [first, second] = [named, rest.at(-1)].map(version => [
    'image version is whole',
    { version }
  ])
  t.deepEqual(whole.slice(0, 2), [first, second], 'what the plan names, then what came last')
  t.deepEqual([oldest!, older!].map(isWhole), [false, false])
  t.deepEqual(
    [named!, oldest!].map(version => store.isUnchecked(version)),
    [false, false]
  )
  t.like(warned, [['image versions are not looked at', { count: 2, folder }]])
  store.follow({ imageKey, images: [{ version: oldest!, from: [] }] })
  await until(() => isWhole(oldest!))
  t.is(store.reports().length, 64)
})

test('a version that is not here is fetched from another bootd, from where it was cut', async t => {
  const folder = await temporary(t)
  await using peer = await BootServer.start()
  const { version, files } = peer.image
  await using store = await ImageStore.open({ ...common, folder, onChanged: () => {} })
  store.follow({ imageKey, images: [] })
  const wanted = {
    ...plan,
    imageKey,
    images: [{ version, from: ['http://127.0.0.1:9', peer.http.url] }]
  }
  const draft = join(folder, `.${version}.part`)
  await mkdir(draft)
  // One that was cut, and one of full length that is wrong.
  await writeFile(join(draft, 'root.squashfs'), files['root.squashfs'].subarray(0, 100_000))
  await writeFile(join(draft, 'initrd'), 'x'.repeat(files.initrd.length))
  const stop = new AbortController()
  const problems: (string | undefined)[] = []
  const keeping = keepVersions(
    {
      ...{ ...common, images: store, plan: () => wanted, freeMibMin: 0 },
      onProblem: problem => void problems.push(problem)
    },
    stop.signal
  )
  await until(() => store.state(version).state === 'whole')
  stop.abort()
  await keeping
  t.deepEqual(await readFile(join(folder, version, 'root.squashfs')), files['root.squashfs'])
  t.deepEqual(
    problems.filter(problem => problem !== undefined),
    []
  )
})

test('what a build has left behind that was killed is removed, whatever is planned', async t => {
  const folder = await temporary(t)
  const old = new Date(Date.now() - 7_200_000)
  // The kernel gives no such number to a process.
  const left = join(folder, `.building-${2 ** 30}-aBc123`)
  await mkdir(left)
  await utimes(left, old, old)
  const own = await makeImageDraft(folder)
  await utimes(own, old, old)
  await using store = await ImageStore.open({ ...common, folder, onChanged: () => {} })
  const stop = new AbortController()
  const options = { ...common, images: store, plan: () => undefined, freeMibMin: 0 }
  const { promise: round, resolve: onProblem } = Promise.withResolvers<unknown>()
  const keeping = keepVersions({ ...options, onProblem }, stop.signal)
  await round
  stop.abort()
  await keeping
  t.deepEqual(await readdir(folder), [basename(own)])
})

test('a bootd whose token is wrong gets no files, and says so', async t => {
  const folder = await temporary(t)
  await using peer = await BootServer.start()
  const { version } = peer.image
  await using store = await ImageStore.open({ ...common, folder, onChanged: () => {} })
  const { peerToken: _, ...rest } = plan
  const wanted = { ...rest, imageKey, images: [{ version, from: [peer.http.url] }] }
  const stop = new AbortController()
  let told: string | undefined
  const keeping = keepVersions(
    {
      ...{ ...common, images: store, plan: () => wanted, freeMibMin: 0 },
      onProblem: problem => {
        told = problem
      }
    },
    stop.signal
  )
  await until(() => told !== undefined)
  stop.abort()
  await keeping
  t.regex(told ?? '', /cannot fetch image version .*\/vmlinuz answers 403/)
})

test('a plan is kept for the next start; one of a lower epoch is refused', async t => {
  const state = await temporary(t)
  const own = join(state, 'bootd')
  await mkdir(own)
  const words: BootWords = {
    ...{ bootMode: 'off', bootInterface: '', bootVlan: 0, bootAddress: '', bootRange: '' },
    ...{ bootRouter: '', bootDns: '', bootLeaseS: 600, bootLoader: 'ipxe', bootPort: 0 },
    ...{ bootTransfersMax: 1, bootClientMibPerS: 0, bootLogMibMax: 16, bootFreeMibMin: 0 }
  }
  const options = { ...common, words, state, own, onChanged: () => {} }
  {
    await using service = await BootService.open(options)
    t.deepEqual(service.report(), {
      ...{ type: 'boot-report', mode: 'off', foreign: [], images: [], boots: [] }
    })
    await service.want({ ...plan, epoch: 5 })
    await t.throwsAsync(service.want({ ...plan, epoch: 4 }), {
      message: 'cannot take a boot plan of epoch 4: 5 was seen'
    })
  }
  await using again = await BootService.open(options)
  const error = await t.throwsAsync(again.want({ ...plan, epoch: 4 }))
  t.like(error, { code: 'stale' })
  t.deepEqual(JSON.parse(await readFile(join(own, 'boot-plan.json'), 'utf8')).epoch, 5)
})
