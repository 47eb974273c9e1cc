/** The bootstrap in a copy of the project, with programs of our own before the real ones. */
import { execFile } from 'node:child_process'
import fs from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import test from 'ava'

const root = path.resolve(import.meta.dirname, '../..')

/** What programs answer, as shell scripts; each call of apt-get and npm is noted in `calls`. */
const answers = {
  uname: 'echo Linux',
  id: 'echo 0',
  node: 'echo 20.1.0',
  'dpkg-query': 'echo "ii  one"; echo "rc  two"; exit 1',
  'apt-get': 'echo "$@" >>calls; ls policy >>calls 2>&1; echo "Get:1 http://mirror.example two"',
  npm: [
    'echo "npm $@" >>calls',
    'mkdir -p node_modules/.bin',
    'install -m 755 /dev/null node_modules/.bin/node'
  ].join('\n')
}
type Answers = Readonly<Partial<typeof answers>>

async function makeProject(changed: Answers = {}) {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'remuda-bootstrap-'))
  const write = async (file: string, text: string, mode = 0o644) => {
    await fs.mkdir(path.dirname(path.join(folder, file)), { recursive: true })
    await fs.writeFile(path.join(folder, file), text, { mode })
  }
  const script = await fs.readFile(path.join(root, 'tools/bootstrap.sh'), 'utf8')
  const own = script.replace('/usr/sbin/policy-rc.d', `${folder}/policy`)
  await write('tools/bootstrap.sh', own)
  await write('tools/packages/run.txt', '# what is needed\none  # first\ntwo\n')
  await write('tools/packages/lab.txt', '')
  await write('tools/packages/test.txt', 'three\n')
  await write('package-lock.json', '{}')
  const answer = (each: Answers) =>
    Promise.all(
      Object.entries(each).map(([name, text]) =>
        write(`bin/${name}`, `#!/bin/sh\n${text}\n`, 0o755)
      )
    )
  await answer({ ...answers, ...changed })
  const run = (mode: string) =>
    new Promise<{ readonly code: number; readonly out: string; readonly err: string }>(resolve => {
      const environment = { PATH: `${folder}/bin:${process.env['PATH']}` }
      const args = [path.join(folder, 'tools/bootstrap.sh'), mode]
      execFile('/bin/sh', args, { cwd: '/', env: environment }, (error, out, err) => {
        resolve({ code: Number(error?.code ?? 0), out, err })
      })
    })
  const read = (file: string) => fs.readFile(path.join(folder, file), 'utf8').catch(() => '')
  const remove = () => fs.rm(folder, { recursive: true, force: true })
  return { run, read, write, answer, [Symbol.asyncDispose]: remove }
}

for (const [what, changed, says] of [
  ['another system', { uname: 'echo Darwin' }, /^bootstrap: cannot run on Darwin: .*needs Linux/],
  ['no root', { id: 'echo 1000' }, /root is needed to .*\. Try: sudo npm run up/],
  ['an old Node', { node: 'echo 18.19.0' }, /cannot start with Node 18\.19\.0: it must be 20/]
] as const) {
  test(`${what} is refused with a sentence, before anything is touched`, async t => {
    await using project = await makeProject(changed)
    const { code, out, err } = await project.run('run')
    t.is(code, 1)
    t.regex(err, says)
    t.is(out, '')
    t.is(await project.read('calls'), '')
  })
}

test('a mode that is none is refused', async t => {
  await using project = await makeProject()
  const { code, err } = await project.run('walk')
  t.is(code, 1)
  t.is(err, "bootstrap: cannot prepare for 'walk': say run, test or lab\n")
})

test('a test run that cannot be prepared counts as one failure on its last line', async t => {
  await using project = await makeProject({ id: 'echo 1000' })
  const { code, out } = await project.run('test')
  t.is(code, 1)
  t.is(out, '0 passed, 1 failed\n')
})

test('only what is missing is installed, and no service starts meanwhile', async t => {
  await using project = await makeProject()
  await project.answer({
    'apt-get': `${answers['apt-get']}
case "$*" in *install*) printf '#!/bin/sh\\necho "ii  one"; echo "ii  two"' >bin/dpkg-query ;; esac`
  })
  const { code, out, err } = await project.run('run')
  t.is(code, 0, err)
  const calls = (await project.read('calls')).trim().split('\n')
  t.is(calls.length, 5)
  t.regex(calls[0]!, / update$/)
  t.regex(calls[2]!, / install --yes --no-install-recommends two$/)
  t.regex(calls[3]!, /\/policy$|^policy$/, 'services are held')
  t.regex(calls[4]!, /^npm ci /)
  t.is(await project.read('policy'), '', 'and let go')
  t.notRegex(out + err, /mirror/, 'no address of a package server is shown')

  const again = await project.run('run')
  t.deepEqual(again, { code: 0, out: '', err: '' })
  t.is((await project.read('calls')).trim().split('\n').length, 5)
})

test('for a lab its own packages are installed too, and npm packages are left alone', async t => {
  await using project = await makeProject({ 'dpkg-query': 'echo "ii  one"; echo "ii  two"' })
  t.deepEqual(await project.run('lab'), { code: 0, out: '', err: '' })
  t.is(await project.read('calls'), '')
  await project.write('tools/packages/lab.txt', 'two\nfour\n')
  await project.run('lab')
  const calls = await project.read('calls')
  t.regex(calls, / install --yes --no-install-recommends four$/m)
  t.notRegex(calls, /^npm/m)
})

test('npm packages are installed again when the lock file has changed', async t => {
  await using project = await makeProject({ 'dpkg-query': 'echo "ii  one"; echo "ii  two"' })
  await project.run('run')
  await project.run('run')
  await project.write('package-lock.json', '{ }')
  await project.run('run')
  const calls = (await project.read('calls')).trim().split('\n')
  t.is(calls.length, 2)
  t.true(calls.every(call => call.startsWith('npm ci')))
})

test('a failure is shown without the addresses of servers, and is tried again', async t => {
  await using project = await makeProject({
    'dpkg-query': 'echo "ii  one"; echo "ii  two"',
    npm: 'echo "E404 https://registry.example/two - not found"; exit 7'
  })
  const { code, err } = await project.run('run')
  t.is(code, 1)
  t.regex(err, /E404 \(address\) - not found/)
  t.regex(err, /cannot install npm packages: exit code 7 after \d+ s\n$/)
  t.notRegex(err, /registry/)
  await project.answer({ npm: answers.npm })
  t.is((await project.run('run')).code, 0)
})

test('a hold on services that a power cut left behind is lifted', async t => {
  await using project = await makeProject({ 'dpkg-query': 'echo "ii  one"; echo "ii  two"' })
  await project.run('run')
  const mark = '# put here by the bootstrap of Remuda, until the packages are installed'
  await project.write('policy', `#!/bin/sh\n${mark}\nexit 101\n`)
  t.is((await project.run('run')).code, 0)
  t.is(await project.read('policy'), '')
})

test('a hold on services that somebody else made stays', async t => {
  await using project = await makeProject()
  await project.write('policy', '#!/bin/sh\nexit 101\n')
  await project.run('run')
  t.is(await project.read('policy'), '#!/bin/sh\nexit 101\n')
})
