/** The command line against a real controller: what the fake promises is what the API does. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import test from 'ava'
import { kindWords } from '../../../tools/cli/kinds.ts'
import { type Typed, type TypeOptions, typeLine } from './type-line.ts'

const root = path.join(import.meta.dirname, '..', '..', '..')
type Running = { readonly state: string; readonly process: ChildProcess }
let running: Running

test.before(async () => {
  const state = fs.mkdtempSync(path.join(os.tmpdir(), 'remuda-cli-'))
  const main = path.join(root, 'controller', 'main.ts')
  const args = [main, '--state', state, '--api-port', '0', '--door-port', '0']
  const controller = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  running = { state, process: controller }
  const lines: string[] = []
  for await (const line of createInterface({ input: controller.stderr })) {
    lines.push(line)
    if (line.includes('"message":"ready"')) break
  }
  controller.stderr.resume()
  if (controller.exitCode !== null) throw new Error(`it ended:\n${lines.join('\n')}`)
})

test.after.always(async () => {
  if (running.process.exitCode === null) {
    running.process.kill('SIGTERM')
    await once(running.process, 'exit')
  }
  fs.rmSync(running.state, { recursive: true, force: true })
})

const type = (line: string | readonly string[], options: TypeOptions = {}): Promise<Typed> =>
  typeLine(line, { ...options, environment: { REMUDA_STATE: running.state } })

test.serial('every kind can be listed, with the usual columns and the usual order', async t => {
  for (const { plural } of kindWords) {
    const { code, errors } = await type(`get ${plural}`)
    t.is(code, 0, errors)
  }
  const { output } = await type('get sizes -o name')
  t.deepEqual(output.trim().split('\n').slice(0, 2), ['size/huge', 'size/large'])
})

test.serial('status, version and doctor understand what it says', async t => {
  t.regex((await type('status')).output, /^controller +epoch 1, up .*, recording$/m)
  t.regex((await type('version')).output, /^controller +\d+\.\d+\.\d+ \(cloud c-/m)
  const { output } = await type('doctor')
  for (const name of ['configuration', 'socket', 'controller', 'leading', 'access', 'journal']) {
    t.regex(output, new RegExp(`^ok +${name} `, 'm'))
  }
})

test.serial('a wish is created, changed, shown, explained and deleted', async t => {
  t.regex((await type('volume create v1 --size 1g --label a=b')).output, /^volume\/v1 created/)
  t.is((await type('volume create v1 --size 1g')).code, 4)
  t.regex((await type('volume resize v1 --size 2g')).output, /^volume\/v1 resized/)
  t.regex((await type('volume show v1')).output, /^ {2}sizeMib +2 GiB$/m)
  t.regex((await type('why volume/v1')).output, /^volume\/v1 is pending\n/)
  t.regex((await type('history volume/v1')).output, /created .*\n.*changed .*sizeMib 1024 → 2048/)
  const shrunk = await type('volume resize v1 --size 1g')
  t.not(shrunk.code, 0)
  t.regex((await type('volume delete v1 --yes')).output, /^volume\/v1 deleted/)
  t.is((await type('volume show v1')).code, 3)
})

test.serial('what was not given is not said, and what is wrong is told by its field', async t => {
  const { code, errors } = await type('instance create web --memory 64 --pool No')
  t.is(code, 1)
  t.regex(errors, /why {3}spec\.pool: must be a name: 1 to 63 lower-case letters/)
  t.notRegex(errors, /\/spec\/pool must/)
  t.regex((await type('vm create web --image nope --memory 64')).errors, /there is no image "nope"/)
})

test.serial('what is exported can be applied, and differs in nothing', async t => {
  const { output } = await type('export')
  t.regex(output, /^kind: network\nname: default$/m)
  const applied = await type('apply -f -', { input: output })
  t.is(applied.code, 0, applied.errors)
  t.true(
    applied.output
      .trim()
      .split('\n')
      .every(line => line.endsWith(' unchanged'))
  )
  t.is((await type('diff -f - --exit-code', { input: output })).code, 0)
})

test.serial('a file creates and then changes, with dry runs before', async t => {
  const input = 'kind: size\nname: odd\nspec: {vcpus: 3, memoryMib: 96}\n'
  t.is(
    (await type('apply -f - --dry-run', { input })).output.split('\n')[0],
    'size/odd created (dry run)'
  )
  t.is((await type('apply -f -', { input })).output, 'size/odd created\n')
  t.is((await type('apply -f -', { input })).output, 'size/odd unchanged\n')
  const changed = input.replace('96', '128')
  t.regex((await type('diff -f -', { input: changed })).output, /~ spec\.memoryMib: 96 → 128/)
  t.is((await type('apply -f -', { input: changed })).output, 'size/odd changed\n')
  t.is((await type('size delete odd --yes')).code, 0)
})

const misspelt = `kind: size
name: odd
spec:
  vcpus: 600
  memoryMb: 64
---
kind: instance
name: web
labels:
  app/Tier: x
spec:
  image: nope
  ports:
    - network: default
    - netwrok: default
  restart: {policy: 'no'}
---
kind: instance
name: db
spec:
  size: small
  image: nope
`

test.serial('of a file each field that is refused is told with its line and column', async t => {
  const { code, output, errors } = await type('apply -f -', { input: misspelt })
  t.deepEqual([code, output], [1, ''])
  t.deepEqual(
    [...errors.matchAll(/<input>:.*/g)].map(([said]) => said.replace(/ \^\[.*/, '')),
    [
      '<input>:3:1: spec.memoryMib: "memoryMib" is missing',
      '<input>:4:3: spec.vcpus: must be between 1 and 512, not 600',
      '<input>:5:3: spec.memoryMb: unknown field "memoryMb"; did you mean "memoryMib"?',
      '<input>:10:3: labels.app/Tier: the key "app/Tier" must match',
      '<input>:15:7: spec.ports.1.network: "network" is missing',
      '<input>:15:7: spec.ports.1.netwrok: unknown field "netwrok"; did you mean "network"?',
      '<input>:16:13: spec.restart.policy: must be one of always, on-failure, never, not "no"',
      '<input>:22:3: spec.image: there is no image "nope"'
    ]
  )
  t.regex(errors, /\n {2}next {2}remuda explain size\n/)
})

test.serial('an image is uploaded and verified', async t => {
  const file = path.join(running.state, 'image.raw')
  fs.writeFileSync(file, Buffer.alloc(2 * 1024 * 1024, 5))
  const line = ['image', 'import', 'five', '--file', file]
  t.regex((await type(line)).output, /^image\/five imported: ready/)
  t.regex((await type(line)).output, /^image\/five unchanged: ready/)
  t.regex((await type('image list')).output, /^five +ready +vm +raw +2 MiB/m)
})

test.serial('a tenant has its own, a token has its role, and both end', async t => {
  t.is((await type('tenant create acme')).code, 0)
  t.is((await type('--tenant acme volume create v --size 64')).code, 0)
  t.is((await type('--tenant acme volume list -o name')).output, 'volume/v\n')
  t.regex((await type(['--tenant', '*', 'volume', 'list'])).output, /^acme +v /m)
  const { output } = await type('token create reads --role reader')
  t.regex(output, /^rmd_\S+\n$/)
  t.regex((await type('token list')).output, /^reads +reader /m)
  t.is((await type('token delete reads --yes')).code, 0)
})

test.serial('the socket of readers shows, and changes nothing', async t => {
  const server = `unix:${path.join(running.state, 'run', 'read.sock')}`
  t.is((await type('size list', { server })).code, 0)
  const refused = await type('size create s --vcpus 1 --memory 64', { server })
  t.is(refused.code, 5)
  t.regex(refused.errors, /has the role reader, admin is needed/)
})

test.serial('events are streamed as they happen', async t => {
  const interrupt = new AbortController()
  let isAsked = false
  const watching = type('events -w --kind size -o json', {
    interrupted: interrupt.signal,
    watch: output => {
      if (output.includes('"name":"seen"')) interrupt.abort()
    }
  })
  while (!interrupt.signal.aborted && !isAsked) {
    isAsked = (await type('size create seen --vcpus 1 --memory 64')).code !== 0
    if (!isAsked) await type('size delete seen --yes')
  }
  const { output } = await watching
  const first = JSON.parse(output.split('\n')[0]!) as { type: string; position: string }
  t.true(['change', 'decision'].includes(first.type))
  t.regex(first.position, /^\d+\.\d+$/)
})
