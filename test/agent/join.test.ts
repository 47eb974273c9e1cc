import { access, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { Fault } from '#shared/fault.ts'
import { silentLog } from '#shared/log.ts'
import { type JoinTokenContent, readJoinToken, writeJoinToken } from '#shared/wire/join-token.ts'
import { makeKeys } from '#shared/wire/keys.ts'
import { writeAdmission } from '../../agent/io/admission.ts'
import { readConfig } from '../../agent/io/config.ts'
import { Introduction } from '../../agent/io/introduction.ts'
import { joinAsTold, joinCloud, written } from '../../agent/io/join.ts'
import { writeProgram } from '../world/program.ts'

const token: JoinTokenContent = {
  cloud: 'c-1',
  cloudKey: 'k'.repeat(43),
  doors: [{ endpoint: 'tcp://127.0.0.1:7412', publicKey: makeKeys().publicKey }],
  secret: 's'.repeat(32)
}
const text = writeJoinToken(token)
const input = (): Promise<string> => Promise.reject(new Error('nobody reads it'))

async function folder(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'remuda-join-'))
  t.teardown(() => rm(path, { recursive: true, force: true }))
  return path
}

const run = (state: string, ...args: readonly string[]) =>
  joinCloud({ args: [...args, '--state', state], environment: {}, input })

test('what was written as a token is read as it was, also with white space around it', t => {
  t.deepEqual(readJoinToken(` ${text}\n`), token)
})

for (const [what, broken] of [
  ['a token of the API', 'rmd_abc'],
  ['a token that was cut short', text.slice(0, -20)],
  ['nothing', ''],
  ['one that says something else', `rmj1_${Buffer.from('{"cloud":1}').toString('base64url')}`]
] as const) {
  test(`${what} is no join token, and it is said what to do`, t => {
    t.like(
      t.throws(() => readJoinToken(broken)),
      {
        code: 'invalid',
        message: 'cannot read the join token',
        next: ['make a new one on a machine of the cloud: remuda host token create']
      }
    )
  })
}

test('joining writes what only the owner can read, and where this host is reached', async t => {
  const state = await folder(t)
  const said = await run(state, text)
  t.regex(said, /asks to join cloud c-1 at tcp:\/\/127\.0\.0\.1:7412, as 127\.0\.0\.1\n/)
  const path = join(state, 'agent/join.json')
  t.is((await stat(path)).mode & 0o777, 0o600)
  t.deepEqual(JSON.parse(await readFile(path, 'utf8')), token)
  t.is((await readConfig(['--state', state], {})).address, '127.0.0.1')
  t.is(await run(state, text), said, 'it can be said again')
})

test('an address that is said is kept, and one that was written is not changed', async t => {
  const state = await folder(t)
  await run(state, text, '--address', '127.0.0.9')
  t.is((await readConfig(['--state', state], {})).address, '127.0.0.9')
  await run(state, text)
  t.is((await readConfig(['--state', state], {})).address, '127.0.0.9')
})

test('an address of the environment is not written down', async t => {
  const state = await folder(t)
  const environment = { REMUDA_AGENT_ADDRESS: '10.0.0.7' }
  const said = await joinCloud({ args: [text, '--state', state], environment, input })
  t.regex(said, /, as 10\.0\.0\.7\n/)
  await t.throwsAsync(access(join(state, 'agent/agent.json')), { code: 'ENOENT' })
})

test('a token can come through standard input, where no list of processes shows it', async t => {
  const state = await folder(t)
  const args = ['-', '--state', state]
  await joinCloud({ args, environment: {}, input: async () => `${text}\n` })
  t.deepEqual(JSON.parse(await readFile(join(state, 'agent/join.json'), 'utf8')), token)
})

test('a host of another cloud does not join, and is told how it could', async t => {
  const state = await folder(t)
  const controllerKeys = [makeKeys().publicKey]
  await writeAdmission(join(state, 'agent/admission.json'), { cloud: 'c-2', controllerKeys })
  await t.throwsAsync(run(state, text), {
    code: 'conflict',
    message: 'cannot join cloud c-1: this host belongs to another'
  })
})

test('without a token it is said how to join', async t => {
  await t.throwsAsync(joinCloud({ args: [], environment: {}, input }), {
    code: 'invalid',
    message: 'cannot join: there is no token'
  })
})

test('the agent knocks with what was written, and forgets the secret once it is in', async t => {
  const state = await folder(t)
  await run(state, text)
  const listed = { endpoint: 'tcp://127.0.0.2:7412', publicKey: makeKeys().publicKey }
  const introduction = new Introduction({ state }, silentLog, () => [listed, ...token.doors])
  await introduction.refresh()
  t.deepEqual(introduction.doors, [...token.doors, listed])
  t.is(introduction.token, token.secret)
  t.is(introduction.cloudKey, token.cloudKey)
  await introduction.spent()
  t.is(introduction.token, undefined)
  t.deepEqual(introduction.doors, [...token.doors, listed])
  t.false((await readFile(join(state, 'agent/join.json'), 'utf8')).includes(token.secret))
})

test('a file that says something else is told of, and the agent goes on', async t => {
  const state = await folder(t)
  await run(state, text)
  await writeFile(join(state, 'agent/join.json'), '{}')
  const introduction = new Introduction({ state }, silentLog)
  await introduction.refresh()
  t.deepEqual(introduction.doors, [])
})

test('a failure to join is written as people read it', t => {
  const fault = t.throws(() => readJoinToken('x'))
  t.is(
    written(fault as Fault),
    'error: cannot read the join token\n' +
      '  why   a join token begins with rmj1_\n' +
      '  next  make a new one on a machine of the cloud: remuda host token create\n'
  )
})

/** Joins by what a shell script prints; `kept` is in the configuration before. */
async function told(t: ExecutionContext, script: string, kept?: string) {
  const state = await folder(t)
  const program = join(state, 'word')
  await writeProgram(program, `#!/bin/sh\n${script}\n`)
  const configFile = join(state, 'agent/agent.json')
  await mkdir(join(state, 'agent'))
  if (kept !== undefined) await writeFile(configFile, kept)
  const args = ['--state', state]
  const done = joinAsTold(program, { args, environment: {}, absentMs: 0 })
  const said = done.then(one => one.said)
  const flags = done.then(one => one.flags.slice(args.length))
  // Who asks for the one alone is told of a failure there.
  for (const one of [said, flags]) one.catch(() => {})
  return { said, flags, state, configFile, joinFile: join(state, 'agent/join.json') }
}

test('a program may say the token, later', async t => {
  const { said, joinFile } = await told(t, `sleep 0.2; echo ${text}`)
  t.regex(await said, /asks to join cloud c-1/)
  t.deepEqual(JSON.parse(await readFile(joinFile, 'utf8')), token)
})

test('where it says nothing, what is written already holds', async t => {
  const { said, joinFile } = await told(t, ':')
  t.is(await said, '')
  await t.throwsAsync(access(joinFile), { code: 'ENOENT' })
})

/** As an earlier version wrote down what it had worked out. */
const workedOut = (address: string): string => `${JSON.stringify({ address }, undefined, 2)}\n`
/** Of a range for documentation: no machine has it. */
const elsewhere = '192.0.2.9'
/** An address of this machine, another than the default one where there is one. */
const own =
  Object.values(networkInterfaces())
    .flatMap(all => all ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? '127.0.0.1'
const doors = [{ ...token.doors[0]!, endpoint: `tcp://${own}:7412` }]
const next = writeJoinToken({ ...token, doors })
const ownFlags = own === '127.0.0.1' ? [] : ['--address', own]

test('who asks at each start works out its address each time, and keeps none', async t => {
  const first = await told(t, `echo ${next}`)
  t.deepEqual(await first.flags, ownFlags)
  await t.throwsAsync(access(first.configFile), { code: 'ENOENT' })
  const program = join(first.state, 'nothing')
  await writeProgram(program, '#!/bin/sh\n')
  const args = ['--state', first.state]
  const again = await joinAsTold(program, { args, environment: {} })
  t.deepEqual(again, { said: '', flags: [...args, ...ownFlags] })
})

test('one that an earlier version has kept is forgotten where no interface has it', async t => {
  const { flags, configFile } = await told(t, `echo ${next}`, workedOut(elsewhere))
  t.deepEqual(await flags, ownFlags)
  t.deepEqual(JSON.parse(await readFile(configFile, 'utf8')), {})
})

for (const [title, kept] of [
  ['an address that an interface has is kept', workedOut('127.0.0.1')],
  ['one that people have written is theirs to change', `{"address":"${elsewhere}"}\n`],
  [
    'one beside something else that was said is kept',
    `${JSON.stringify({ address: elsewhere, port: 7_411 }, undefined, 2)}\n`
  ]
] as const) {
  test(title, async t => {
    const { flags, configFile } = await told(t, `echo ${next}`, kept)
    t.deepEqual(await flags, [])
    t.is(await readFile(configFile, 'utf8'), kept)
  })
}

test('without doors the configuration holds as it is', async t => {
  const { flags, configFile } = await told(t, ':', workedOut(elsewhere))
  t.deepEqual(await flags, [])
  t.is(await readFile(configFile, 'utf8'), workedOut(elsewhere))
})

test('one that fails, says something else, or is not named is a fault', async t => {
  t.like(await t.throwsAsync((await told(t, 'echo no >&2; exit 3')).said), { code: 'command' })
  t.like(await t.throwsAsync((await told(t, 'echo perhaps')).said), { code: 'invalid' })
  const unsaid = joinAsTold(undefined, { args: [], environment: {} })
  t.like(await t.throwsAsync(unsaid), {
    code: 'invalid',
    next: ['remuda-agent join --ask PROGRAM']
  })
})
