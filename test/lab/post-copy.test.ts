/**
 * Whether an instance can run on a host before all of its memory has come: what the agent judges,
 * without asking anybody, is what the emulator itself says of it, as either user.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import test from 'ava'
import { judgePostCopy } from '../../agent/io/migration-door.ts'

const words = [
  { execute: 'qmp_capabilities' },
  {
    execute: 'migrate-set-capabilities',
    arguments: { capabilities: [{ capability: 'postcopy-ram', state: true }] }
  },
  { execute: 'quit' }
]
const options = ['-machine', 'none', '-accel', 'tcg', '-nodefaults', '-display', 'none']

/** Whether an emulator of a user takes instances in that way. */
async function emulatorCan(uid: number): Promise<boolean> {
  const args = [...options, '-incoming', 'defer', '-qmp', 'stdio']
  const child = spawn('qemu-system-x86_64', args, {
    ...{ uid, gid: uid, cwd: '/', timeout: 60_000, killSignal: 'SIGKILL' },
    stdio: ['pipe', 'pipe', 'ignore']
  })
  child.stdin.end(words.map(word => `${JSON.stringify(word)}\n`).join(''))
  const [said] = await Promise.all([text(child.stdout), once(child, 'exit')])
  const answers = said.split('\n').filter(line => /^\{"(return|error)"/.test(line))
  if (answers.length !== words.length) throw new Error(`the emulator said: ${said}`)
  return answers[1]!.startsWith('{"return"')
}

for (const { user, uid } of [
  { user: 'root', uid: 0 },
  { user: 'another user', uid: 65_534 }
]) {
  test(`what is judged of emulators that run as ${user} is what one says itself`, async t => {
    const path = '/proc/sys/vm/unprivileged_userfaultfd'
    const judged = judgePostCopy(await readFile(path, 'utf8').catch(() => undefined), uid)
    t.log(judged.because)
    t.is(judged.works, await emulatorCan(uid))
  })
}
