import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { Fault } from '#shared/fault.ts'
import { readConfig } from '../../../controller/io/config.ts'

let folder = ''
test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'remuda-config-'))
  await writeFile(join(folder, 'good'), 'remuda:secret\n', { mode: 0o600 })
  await writeFile(join(folder, 'open'), 'remuda:secret\n')
  await chmod(join(folder, 'open'), 0o644)
})
test.after.always(async () => {
  await rm(folder, { recursive: true, force: true })
})

const ensemble = ['--journal', 'zookeeper', '--ensemble', '10.0.0.1:2181,10.0.0.2:2181']
const secret = (name: string) => ['--ensemble-secret-file', join(folder, name)]

test('a controller is alone, on its embedded journal, and named as its machine', async t => {
  const { journal, ensemble, name, sessionMs } = await readConfig(['--state', '/nowhere'], {})
  t.deepEqual(
    { journal, ensemble, sessionMs },
    { journal: 'level', ensemble: undefined, sessionMs: 6_000 }
  )
  t.regex(name, /^[a-z0-9-]+$/)
})

test('flags and variables say which ensemble and with which secret', async t => {
  const environment = { REMUDA_SESSION_MS: '4000', REMUDA_NAME: 'c2' }
  const args = ['--state', '/nowhere', ...ensemble, ...secret('good')]
  const config = await readConfig(args, environment)
  t.like(config, { name: 'c2', journal: 'zookeeper', sessionMs: 4_000 })
})

const refused: readonly (readonly [
  title: string,
  args: () => readonly string[],
  because: RegExp
])[] = [
  ['an unknown journal', () => ['--journal', 'paper'], /journal/],
  [
    'ZooKeeper without an ensemble',
    () => ['--journal', 'zookeeper'],
    /journal is zookeeper, and ensemble does not say where that is/
  ],
  [
    'an ensemble with a journal that nobody else can read',
    () => ['--ensemble', '10.0.0.1:2181', ...secret('good')],
    /journal is level, which no other candidate can read/
  ],
  ['an ensemble without a secret', () => ensemble, /ensembleSecretFile does not say/],
  [
    'a secret that others can read',
    () => [...ensemble, ...secret('open')],
    /its mode is 0644, others could read it: chmod 600/
  ],
  ['a secret that is not there', () => [...ensemble, ...secret('none')], /there is no such file/],
  [
    'a server without a port',
    () => ['--journal', 'zookeeper', '--ensemble', '10.0.0.1', ...secret('good')],
    /"10.0.0.1", which is no HOST:PORT/
  ],
  [
    'a session that is too short',
    () => [...ensemble, ...secret('good'), '--session-ms', '5'],
    /sessionMs/
  ],
  ['PostgreSQL without a database', () => ['--journal', 'postgres'], /postgres does not say where/],
  [
    'a password in a URL',
    () => ['--journal', 'postgres', '--postgres', 'postgres://me:secret@db/remuda'],
    /a password in it: that belongs in a file of its own/
  ],
  ['a name with blanks', () => ['--name', 'c 1'], /name/]
]

for (const [title, args, because] of refused) {
  test(`${title} is refused with the reason`, async t => {
    const reading = readConfig(['--state', '/nowhere', ...args()], {})
    const fault = await t.throwsAsync(reading, { instanceOf: Fault, code: 'invalid' })
    t.regex([fault.message, ...fault.reasons].join('; '), because)
    t.notRegex(JSON.stringify([fault.message, fault.reasons, fault.next]), /me:secret/)
  })
}
