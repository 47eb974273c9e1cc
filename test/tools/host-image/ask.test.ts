/** How the first stage asks bootd what to boot: its own script in its own shell, against bootd. */
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import test, { type ExecutionContext } from 'ava'
import { BootServer } from '../../bootd/boot/boot-server.ts'
import { machine } from '../../bootd/boot/plans.ts'

const script = join(import.meta.dirname, '../../../tools/host-image/inside/stage1/ask')

/** Asks three times at most; gives what was said. */
async function ask(t: ExecutionContext, server: BootServer, version: string): Promise<string> {
  const notes = await mkdtemp(join(tmpdir(), 'remuda-ask-'))
  t.teardown(() => rm(notes, { recursive: true, force: true }))
  const program = [
    'for each in timeout wget head sed tail cat uname; do alias $each="busybox $each"; done',
    'say() { echo "$*"; }',
    'pause() { rounds=$((rounds + 1)); [ $rounds -lt 3 ] || exit 0; }',
    'reboot() { echo reboot; exit 0; }',
    'read_options() { boot=given; echo "words: $*"; }',
    `. ${script}`,
    'ask_bootd; echo goes on'
  ]
  const variables = {
    ...{
      url: server.http.url,
      version,
      profile: 'host',
      uuid: machine.uuid!,
      mac: '',
      interface: 'lo',
      notes
    },
    ...{ rounds: '0', PATH: '/usr/bin:/bin' }
  }
  const shell = spawn('/bin/busybox', ['sh', '-c', program.join('\n')], { env: variables })
  const [said] = await Promise.all([text(shell.stdout), text(shell.stderr)])
  return said.trim()
}

test('it goes on with the words that it is given', async t => {
  await using server = await BootServer.start()
  const { version } = server.image
  const said = await ask(t, server, version)
  t.regex(
    said,
    new RegExp(`^words: remuda\\.url=\\S+ remuda\\.boot=\\S+ remuda\\.version=${version} `)
  )
  t.regex(said, /goes on$/)
  t.like(server.boots.states()[0], { stage: 'kernel', name: machine.name })
})

test('where another version is meant it starts anew', async t => {
  await using server = await BootServer.start()
  const said = await ask(t, server, '00112233445566ff')
  t.is(said, `booting anew: it gets image version ${server.image.version}\nreboot`)
})

test('it asks again where it is to wait, and where nobody answers', async t => {
  const server = await BootServer.start()
  const { version } = server.image
  const [known] = server.plan.machines
  server.plan = { ...server.plan, machines: [{ ...known!, profile: 'nothing' }] }
  t.is(await ask(t, server, version), Array(3).fill('waiting: nothing is wished of it').join('\n'))
  await server[Symbol.asyncDispose]()
  const lines = (await ask(t, server, version)).split('\n')
  t.is(lines.length, 3)
  for (const line of lines)
    t.regex(line, /^bootd does not say yet what to boot \(\d\): can't connect/)
})
