/** A disk that is full, read-only or damaged under the controller. */
import { appendFile, readdir, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { Cloud } from './cloud.ts'
import type { LogLine } from './daemon.ts'
import { eventually } from './waiting.ts'

let cloud: Cloud
/** Names of volumes whose creation was acknowledged, and of those that were refused. */
const kept: string[] = []
const refused: string[] = []

test.before(async () => {
  cloud = await Cloud.start({ agent: false, images: false, room: '96m' })
})

test.afterEach.always(async t => {
  if (!t.passed) for (const line of (await cloud?.lastWords()) ?? []) t.log(line)
})

test.after.always(async () => {
  await cloud?.[Symbol.asyncDispose]()
})

/** Creates a volume, or gives the status and the problem document of the refusal. */
async function createVolume(name: string) {
  const answer = await cloud.api.askAnyway({
    method: 'POST',
    path: '/v1/volumes',
    body: { name, labels: { filler: 'x'.repeat(60) }, spec: { sizeMib: 16 } },
    doing: `create volume ${name}`
  })
  const list = answer.status === 201 ? kept : refused
  list.push(name)
  return { status: answer.status, problem: JSON.parse(answer.bytes.toString()) }
}

/** Everything that was acknowledged is there, and what was refused is not. */
async function holdsWhatItSaid(t: ExecutionContext): Promise<void> {
  const names = new Set((await cloud.list('volumes')).map(({ name }) => name))
  t.deepEqual([...names].sort(), [...kept].sort())
}

async function createSome(prefix: string, count: number): Promise<void> {
  for (let number = 1; number <= count; number += 1) await createVolume(`${prefix}-${number}`)
}

/** Lines that the controller logged since there were so many. */
const linesSince = async (count: number): Promise<readonly LogLine[]> =>
  (await cloud.controller.log()).slice(count)

const ballast = (): string => join(cloud.state, 'ballast')

/** Fills the file system of the state to its last byte. */
async function fillDisk(): Promise<void> {
  await cloud.inside(['dd', 'if=/dev/zero', `of=${ballast()}`, 'bs=64k'])
  await cloud.inside(['dd', 'if=/dev/zero', `of=${ballast()}-2`, 'bs=1'])
}
const freeDisk = async (): Promise<unknown> =>
  await cloud.inside(['rm', '-f', ballast(), `${ballast()}-2`])

const mend = async (): Promise<void> => {
  await eventually('changes are taken again', async () => {
    const { status } = await createVolume(`probe-${refused.length}`)
    return status === 201 ? true : undefined
  })
}

test.serial('a full disk refuses changes with numbers, and everything can be read', async t => {
  await createSome('before', 30)
  t.is(refused.length, 0)
  await fillDisk()
  let answer = await createVolume('full-0')
  for (let number = 1; answer.status === 201; number += 1) {
    answer = await createVolume(`full-${number}`)
  }
  const { status, problem } = answer
  t.is(status, 503)
  t.is(problem.type, 'urn:remuda:unavailable')
  t.regex(problem.detail, /^cannot record the change: .* \d+ of 96 MiB are free there/)
  t.regex(problem.next.join(), /free at least \d+ MiB on the file system of/)
  await holdsWhatItSaid(t)
  t.like(await cloud.get('/v1/volumes/before-7'), { name: 'before-7' })
  t.is((await cloud.api.askAnyway({ method: 'GET', path: '/readyz', doing: 'ask' })).status, 503)
  const status503 = await cloud.cli('volume create hopeless --size 1G')
  refused.push('hopeless')
  t.is(status503.code, 6, status503.stderr)
  t.regex(status503.stderr, /96 MiB are free there/)
})

test.serial('with room again it takes changes by itself, and nothing is lost', async t => {
  await freeDisk()
  await mend()
  await createSome('after', 5)
  await holdsWhatItSaid(t)
  t.is((await cloud.api.askAnyway({ method: 'GET', path: '/readyz', doing: 'ask' })).status, 200)
  await cloud.controller.kill()
  await cloud.controller.start()
  await holdsWhatItSaid(t)
})

test.serial('a start on a full disk says so and ends, and one with room is well', async t => {
  await cloud.controller.kill()
  await fillDisk()
  const told = (await cloud.controller.log()).length
  await cloud.controller.launch()
  t.is(await cloud.controller.ended(), 1)
  const last = (await linesSince(told)).at(-1)!
  t.is(last['level'], 'error')
  t.regex(String(last['because']), /^cannot open the journal in .*; 0 of 96 MiB are free there/)
  t.regex(String(last['next']), /free at least \d+ MiB on the file system of/)
  await freeDisk()
  await cloud.controller.start()
  await holdsWhatItSaid(t)
})

test.serial('a start on a read-only state folder says so and ends, and recovers', async t => {
  await cloud.controller.stop()
  t.is((await cloud.inside(['mount', '-o', 'remount,ro', cloud.state])).code, 0)
  const told = (await cloud.controller.log()).length
  await cloud.controller.launch()
  t.is(await cloud.controller.ended(), 1)
  const last = (await linesSince(told)).at(-1)!
  t.is(last['level'], 'error')
  t.regex(String(last['because']), /^cannot open the journal in .* read-only file system/)
  t.truthy(String(last['next']))
  t.is((await cloud.inside(['mount', '-o', 'remount,rw', cloud.state])).code, 0)
  await cloud.controller.start()
  await holdsWhatItSaid(t)
})

/** LevelDB's newest log: what was written last is at its end. */
async function newestLog(): Promise<string> {
  const store = join(cloud.folder, 'controller/journal/store')
  const logs = (await readdir(store)).filter(name => name.endsWith('.log')).sort()
  return join(store, logs.at(-1)!)
}

const damages: readonly {
  readonly name: string
  readonly title: string
  readonly damage: (log: string) => Promise<void>
  /** What is said of it; undefined: nothing has to be, since nothing is lost. */
  readonly said?: RegExp
}[] = [
  {
    name: 'garbage',
    title: 'with garbage at its end loses nothing',
    damage: async log => await appendFile(log, Buffer.alloc(300, 0xa5))
  },
  {
    name: 'cut',
    title: 'without its last bytes loses its last entry, says so, and goes on',
    damage: async log => await truncate(log, (await stat(log)).size - 40),
    said: /the last write to \d+\.log was torn.*quarantine/
  }
]

for (const { name, title, damage, said } of damages) {
  test.serial(`a journal ${title}`, async t => {
    await createSome(name, 5)
    await cloud.controller.kill()
    const told = (await cloud.controller.log()).length
    await damage(await newestLog())
    await cloud.controller.start()
    if (said) refused.push(kept.pop()!)
    await holdsWhatItSaid(t)
    const lines = (await linesSince(told)).filter(({ level }) => level === 'warn')
    if (said) t.regex(String(lines[0]?.['because']), said)
    await createSome(`${name}-mended`, 2)
    await cloud.controller.kill()
    await cloud.controller.start()
    await holdsWhatItSaid(t)
  })
}
