/** Logs of hosts as typed to a whole controller, over logs that a bootd keeps on its disk. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { realClock } from '#shared/clock.ts'
import { Fault } from '#shared/fault.ts'
import { silentLog } from '#shared/log.ts'
import { answerQuestion } from '../../../bootd/io/answers.ts'
import { HostLogs } from '../../../bootd/io/boot/host-logs.ts'
import { until } from '../../bootd/boot/boot-server.ts'
import { bootOf } from '../../controller/core/boot/boot-world.ts'
import { bootWorld, hearBoots } from '../../world/boots-heard.ts'
import { typeLine } from './type-line.ts'

const machineUuid = '4c4c4544-0042-3510-8052-b4c04f4e3132'

/** A controller with host h1, and a bootd that keeps logs. */
async function logWorld(t: ExecutionContext) {
  t.timeout(120_000)
  const folder = await mkdtemp(join(tmpdir(), 'remuda-logs-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const bounds = { fileBytesMax: 100_000, bootsMax: 4, strangersMax: 4, bytesMax: 1_000_000 }
  const world = await bootWorld()
  t.teardown(() => world[Symbol.asyncDispose]())
  const given = { folder, bounds, isPlanned: () => true, clock: realClock, log: silentLog }
  const logs = await HostLogs.open(given)
  t.teardown(() => logs[Symbol.asyncDispose]())
  const { service } = world.running
  service.bootds.serve({
    bootds: () => ['c1', 'c2'],
    ask: async (bootd, question) => {
      if (bootd === 'c2') throw new Fault('deadline', 'the bootd of c2 did not answer')
      // Hosts of these worlds have no UUID as machines have them.
      const asked = { ...question, host: machineUuid }
      return await answerQuestion(
        { type: 'bootd-question', number: 1, question: asked },
        { logs, bmcs: undefined as never, fences: undefined as never }
      )
    }
  })
  const host = service.reign.view.named('host', 'h1')!.decided.uuid
  const boots = (boot: string) =>
    hearBoots(world, { boots: [bootOf('joined', { uuid: host, boot })] })
  const say = (boot: string, ...texts: readonly string[]): void =>
    logs.add(
      { host: machineUuid, boot, hasJoined: true },
      texts.map(text => ({ source: 'journal', text }))
    )
  const server = `unix:${world.socket('admin')}`
  return { boots, say, logs, server, world, type: (line: string) => typeLine(line, { server }) }
}

test('the last words of a host are shown, of the boot before as well', async t => {
  const { boots, say, logs, server, type, world } = await logWorld(t)
  boots('a1')
  say('a1', 'it works', 'it does not')
  logs.add({ host: machineUuid, boot: 'a1', hasJoined: true }, [
    { source: 'kernel', text: '[  9.0]   Kernel panic' }
  ])
  const dead = await type('host logs h1')
  t.is(dead.code, 0, dead.errors)
  t.regex(
    dead.output,
    /^\S+Z it works\n\S+Z it does not\n\S+Z kernel: \[ {2}9\.0\] {3}Kernel panic\n$/
  )
  boots('a2')
  const before = await type('host logs h1')
  t.is(before.code, 0, before.errors)
  t.is(before.output, dead.output)
  t.regex(before.errors, /nothing was heard yet of boot a2; this is boot a1/)
  t.regex((await type('host logs h1 --boots')).output, /^BOOT .*\na1 .*\n$/)
  say('a2', 'it works again')
  t.regex((await type('host logs h1')).output, /^\S+Z it works again\n$/)
  t.regex(
    (await type('host logs h1 --boot previous --lines 1')).output,
    /^\S+Z kernel: .* panic\n$/
  )
  const { output } = await typeLine('host logs h1 --boots', {
    ...{ server, terminal: { columns: 80 }, environment: { NO_COLOR: '1' } }
  })
  t.regex(output, /^BOOT +BEGUN +LAST LINE +SIZE +BOOTD\na1 +\S+Z +.* ago +1 KiB +c1\na2 .* c1\n$/)
  const { status } = await world.ask({ path: '/v1/hosts/h1/log?lines=0&after=a2:0' })
  t.is(status, 422, 'no lines at all would lead behind all that is there')
  t.regex((await type('host logs h1 -o json')).output, /"place": ?"a2:\d+"/)
  t.regex((await type('host logs h1 --since 1h')).output, /it works again/)
})

test('what comes is shown as it comes, over boots', async t => {
  const { boots, say, server } = await logWorld(t)
  boots('a1')
  say('a1', 'one')
  const stop = new AbortController()
  t.teardown(() => stop.abort())
  let shown = ''
  const followed = typeLine('host logs h1 -f', {
    server,
    interrupted: stop.signal,
    watch: output => {
      shown = output
    }
  })
  await until(() => shown.includes('one'))
  say('a1', 'two')
  await until(() => shown.includes('two'))
  boots('a2')
  say('a2', 'three')
  await until(() => shown.includes('three'))
  stop.abort()
  await followed
  t.regex(shown, /^\S+ one\n\S+ two\n-- boot a2 --\n\S+ three\n$/)
})

test('who follows a host that was not heard yet waits for it', async t => {
  const { boots, say, server, type } = await logWorld(t)
  boots('a1')
  const none = await type('host logs h1')
  t.not(none.code, 0)
  const listed = await type('host logs h1 --boots')
  t.is(listed.code, 0, listed.errors)
  t.is(listed.output, '')
  t.regex(listed.errors, /nothing was heard yet of boot a1/)
  const nobody = await type('host logs h77 -f')
  t.not(nobody.code, 0)
  const stop = new AbortController()
  t.teardown(() => stop.abort())
  let [shown, noted] = ['', '']
  const followed = typeLine('host logs h1 -f', {
    server,
    interrupted: stop.signal,
    watch: (output, errors) => {
      shown = output
      noted = errors
    }
  })
  await until(() => noted.includes('nothing was heard yet of host h1: waiting for it'))
  say('a1', 'one')
  await until(() => shown.includes('one'))
  stop.abort()
  await followed
  t.regex(shown, /^\S+ one\n$/)
})

test('where no bootd answers, that is said, and what else could be looked at', async t => {
  t.timeout(120_000)
  await using world = await bootWorld()
  const server = `unix:${world.socket('admin')}`
  const { code, errors } = await typeLine('host logs h1', { server })
  t.not(code, 0)
  t.regex(errors, /cannot show the log of host h1: no bootd answers/)
  t.regex(errors, /remuda power console h1/)
})
