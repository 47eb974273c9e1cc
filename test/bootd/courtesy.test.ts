/** A host that is asked over SSH to power off: a real server, with keys of the test's own. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import test from 'ava'
import ssh from 'ssh2'
import { isFault } from '#shared/fault.ts'
import type { SshCourtesy } from '#shared/model/fence.ts'
import { askToPowerOff } from '../../bootd/io/fence/courtesy.ts'

const hostKeys = ssh.utils.generateKeyPairSync('ed25519')
const userKeys = ssh.utils.generateKeyPairSync('ed25519')
const hostPrint = printOf(hostKeys.public)
const signal = AbortSignal.timeout(60_000)

/** What a server does that was logged in to. */
type Manners = 'obeys' | 'refuses' | 'hangs' | 'dies'

/** An SSH server that lets in who has the password `sesame` or the key. */
async function host(manners: Manners = 'obeys') {
  const commands: string[] = []
  const server = new ssh.Server({ hostKeys: [hostKeys.private] }, client => {
    client.on('error', () => {})
    client.on('authentication', login => {
      const isRight =
        (login.method === 'password' && login.password === 'sesame') ||
        (login.method === 'publickey' && login.key.data.equals(blobOf(userKeys.public)))
      if (isRight) login.accept()
      else login.reject()
    })
    client.on('session', accept => {
      accept().on('exec', (acceptExec, _, { command }) => {
        commands.push(command)
        const channel = acceptExec()
        if (manners === 'hangs') return
        if (manners === 'dies') return void client.end()
        channel.exit(manners === 'obeys' ? 0 : 1)
        channel.end()
      })
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const courtesy: SshCourtesy = {
    ...{ address: '127.0.0.1', port, user: 'root', secret: 'ssh', hostKey: hostPrint },
    command: 'systemctl poweroff'
  }
  return { commands, courtesy, [Symbol.dispose]: () => void server.close() }
}

function blobOf(line: string): Buffer {
  return Buffer.from(line.split(' ')[1]!, 'base64')
}

function printOf(line: string): string {
  const hash = createHash('sha256').update(blobOf(line)).digest('base64')
  return `SHA256:${hash.replace(/=+$/, '')}`
}

const keyInOneLine = userKeys.private
  .split('\n')
  .filter(line => line !== '' && !line.startsWith('-----'))
  .join('')

for (const [by, secret] of [
  ['a password', 'sesame'],
  ['a private key in one line', keyInOneLine]
] as const) {
  test(`with ${by} the host is told its command`, async t => {
    using asked = await host()
    await askToPowerOff(asked.courtesy, secret, { signal })
    t.deepEqual(asked.commands, ['systemctl poweroff'])
  })
}

test('a host that goes down at once has heard it all the same', async t => {
  using asked = await host('dies')
  await askToPowerOff(asked.courtesy, 'sesame', { signal })
  t.deepEqual(asked.commands, ['systemctl poweroff'])
})

for (const { title, manners, secret, change, code, message } of [
  {
    title: 'a host that shows another key than the one that is known is told nothing',
    manners: 'obeys',
    secret: 'sesame',
    change: { hostKey: `SHA256:${'A'.repeat(43)}` },
    code: 'network',
    message: /^cannot ask root@127\.0\.0\.1:\d+ to power off: /
  },
  {
    title: 'a wrong password is said',
    manners: 'obeys',
    secret: 'wrong',
    change: {},
    code: 'network',
    message: /authentication methods failed/
  },
  {
    title: 'a command that fails is said with its exit code',
    manners: 'refuses',
    secret: 'sesame',
    change: {},
    code: 'network',
    message: /systemctl poweroff ended with exit code 1$/
  },
  {
    title: 'a host that hangs is given up',
    manners: 'hangs',
    secret: 'sesame',
    change: {},
    code: 'deadline',
    message: /no answer within 3 s$/
  }
] as const) {
  test(title, async t => {
    using asked = await host(manners)
    const courtesy = { ...asked.courtesy, ...change }
    const given = { signal, ...(manners === 'hangs' && { deadlineMs: 3_000 }) }
    const thrown = await t.throwsAsync(askToPowerOff(courtesy, secret, given), { message })
    t.true(isFault(thrown, code))
    if (secret === 'wrong' || 'hostKey' in change) t.deepEqual(asked.commands, [])
  })
}

test('one that is no longer wanted ends at once', async t => {
  using asked = await host('hangs')
  const stop = new AbortController()
  const asking = askToPowerOff(asked.courtesy, 'sesame', { signal: stop.signal })
  stop.abort()
  const thrown = await t.throwsAsync(asking)
  t.true(isFault(thrown, 'aborted'))
})
