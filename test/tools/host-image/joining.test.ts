/** How a booted host comes in, and what it does when that fails: its own scripts in a folder. */
import { chmod, stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import ava from 'ava'
import { until } from '../../world/reading.ts'
import { canRunScripts, openScripts, type ScriptHost } from './scripts.ts'

const test = canRunScripts ? ava : ava.skip
const always = Number.POSITIVE_INFINITY
const bootOver = { silence: { status: 403, times: always } }
const refused = '{"message":"not let in yet","verdict":"refused","because":"another key"}\n'
const pending = '{"message":"not let in yet","verdict":"pending","because":"wait"}\n'

const isRebooted = async ({ read }: ScriptHost): Promise<boolean> =>
  ((await read('called')) ?? '').includes('systemctl reboot')

/** Has a controller let the host in. */
const admit = ({ write }: ScriptHost): Promise<void> => write('state/agent/admission.json', '{}')

test('a host that waited too long for a token boots anew, and says why', async t => {
  const host = await openScripts(t)
  const { server, run, read, write } = host
  server.given = {}
  server.faults = bootOver
  await write('run/identified', '')
  t.is(await run('join'), '')
  t.true(await isRebooted(host))
  t.is(server.joins, 2)
  t.regex(
    (await read('said')) ?? '',
    /cannot join: for bootd this boot is over, .* \(60\d s after .*; booting anew in [234]\d s/
  )
})

test('one that was let in goes by what it has kept', async t => {
  const host = await openScripts(t)
  host.server.given = {}
  host.server.faults = bootOver
  await host.write('run/identified', '')
  await admit(host)
  t.is(await host.run('join'), '')
  t.false(await isRebooted(host))
})

test('one that does not hear bootd waits', async t => {
  const host = await openScripts(t)
  const { server, run, write } = host
  server.given = { token: 'rmj1_one' }
  server.faults = { silence: { status: 503, times: 20 } }
  await write('run/identified', '')
  t.is(await run('join'), 'rmj1_one\n')
  t.false(await isRebooted(host))
})

test('a name and keys that come late are taken before the host joins', async t => {
  const host = await openScripts(t)
  const { server, run, read, write, path } = host
  server.given = { name: 'h7', token: 'rmj1_one', sshKeys: ['ssh-ed25519 AAAA one'] }
  server.faults = { silence: { status: 503, times: 1 } }
  await write('run/identified', '')
  t.is(await run('join'), 'rmj1_one\n')
  t.deepEqual([await read('hostname'), await read('etc/hostname')], ['h7\n', 'h7\n'])
  t.is(await read('ssh/authorized_keys'), 'ssh-ed25519 AAAA one\n')
  t.is(await read('run/given.sh'), undefined)
  t.is((await stat(path('run/token-given'))).mode & 0o777, 0o600)
})

test('that a host has joined is told until bootd hears it', async t => {
  const host = await openScripts(t)
  const { server, run, read, write } = host
  server.faults = { deafness: { status: 503, times: 12 } }
  await write('state/run/agent.ready', '')
  await write('run/token-given', 'rmj1_one\n')
  await admit(host)
  await run('joined')
  t.deepEqual(server.stages, ['joined'])
  t.is(await read('run/token-given'), '', 'the token is used')
})

test('it is told no more once bootd says that it is over', async t => {
  const host = await openScripts(t)
  host.server.faults = { deafness: { status: 403, times: 1 } }
  await host.write('state/run/agent.ready', '')
  await admit(host)
  await host.run('joined')
  t.deepEqual(host.server.stages, [])
})

/** Has a host wait that is not let in, until bootd was asked so often; gives what it has done. */
async function waiting(host: ScriptHost, given: object, times: number): Promise<string> {
  const { server, run, read, write } = host
  server.given = { ...given }
  await write('state/run/agent.ready', '')
  await write('run/token-given', 'rmj1_one\n')
  const done = run('joined')
  await until(() => server.joins >= times)
  await admit(host)
  await done
  return (await read('called')) ?? ''
}

test('a host that is not let in takes on another token', async t => {
  const host = await openScripts(t)
  const called = await waiting(host, { token: 'rmj1_two' }, 3)
  t.deepEqual(
    called.split('\n').filter(line => line.startsWith('join')),
    ['join - as 10.0.0.7: rmj1_two'],
    'once'
  )
  t.is(await host.read('run/given.sh'), undefined)
})

test('it does nothing with the one that it has', async t => {
  const host = await openScripts(t)
  t.notRegex(await waiting(host, { token: 'rmj1_one' }, 3), /^join/m)
})

test('one that waits for an operator waits on when its boot is over', async t => {
  const host = await openScripts(t)
  host.server.faults = bootOver
  await host.write('journal', refused + pending)
  await waiting(host, {}, 22)
  t.false(await isRebooted(host))
})

test('one that is refused when its boot is over boots anew after some minutes', async t => {
  const host = await openScripts(t)
  const { server, run, read, write } = host
  server.given = {}
  server.faults = bootOver
  await write('state/run/agent.ready', '')
  await write('journal', pending + refused)
  await run('joined')
  t.true(await isRebooted(host))
  t.is(server.joins, 20)
  t.regex((await read('said')) ?? '', /cannot join: it is refused, and for bootd this boot is over/)
})

test('one that is let in before it boots anew goes on', async t => {
  const host = await openScripts(t)
  host.server.given = {}
  host.server.faults = bootOver
  await host.write('state/run/agent.ready', '')
  await host.write('journal', refused)
  const admission = host.path('state/agent/admission.json')
  await host.write('bin/sleep', `#!/bin/sh\n[ "$1" -lt 20 ] || echo '{}' >${admission}\n`)
  await host.run('joined')
  t.false(await isRebooted(host))
  t.deepEqual(host.server.stages.slice(-1), ['joined'])
})

test('what another script has taken away meanwhile is taken on all the same', async t => {
  const host = await openScripts(t)
  host.server.given = { name: 'h7', sshKeys: ['ssh-ed25519 AAAA one'] }
  await host.write('bin/mv', '#!/bin/sh\n/bin/mv "$@"\nrm -f "$2"\n')
  await chmod(host.path('bin/mv'), 0o755)
  const lines = ['#!/bin/bash', `. ${host.path('lib/common')}`, 'fetch_given']
  const said = `echo "$given_name $given_keys"`
  await host.write('lib/taking', [...lines, said, ''].join('\n'))
  await chmod(host.path('lib/taking'), 0o755)
  t.is(await host.run('taking'), 'h7 ssh-ed25519 AAAA one\n')
})

test('a bootd that is away for some seconds costs no host its name', async t => {
  const { server, run, read } = await openScripts(t)
  server.given = { name: 'h7', sshKeys: ['ssh-ed25519 AAAA one'] }
  server.faults = { silence: { status: 503, times: 10 } }
  await run('identity')
  t.is(await read('hostname'), 'h7\n')
  t.notRegex((await read('said')) ?? '', /only now/)
})

test('one that is away for longer gives them later, also for rescue', async t => {
  const { server, run, read } = await openScripts(t, { profile: 'rescue' })
  server.given = { name: 'h7', sshKeys: ['ssh-ed25519 AAAA one'] }
  server.faults = { silence: { status: 503, times: 30 } }
  await run('identity')
  t.not(await read('run/identified'), undefined)
  t.is(await read('hostname'), 'h7\n')
  t.is(await read('ssh/authorized_keys'), 'ssh-ed25519 AAAA one\n')
  t.regex((await read('said')) ?? '', /remuda-6ba7b810 .*: the system starts\n/)
  t.regex((await read('said')) ?? '', /h7 .*: bootd has said only now which host this is\n/)
})

test('where the boot is over, nobody waits for a name', async t => {
  const { server, run, read } = await openScripts(t)
  server.given = {}
  server.faults = bootOver
  await run('identity')
  t.is(await read('hostname'), 'remuda-6ba7b810\n')
  t.is(server.joins, 2)
})

test('a UUID that was made is kept for the agent, unless another one was', async t => {
  const { server, run, read, write } = await openScripts(t, { uuid_made: 'yes' })
  server.given = {}
  await run('identity')
  t.is(await read('state/agent/host-uuid'), '6ba7b810-9dad-41d1-80b4-00c04fd430c8\n')
  await write('state/agent/host-uuid', '7d0bb9a4-5f3b-4f51-9d4c-9a5a8a4f2a11\n')
  await run('identity')
  t.is(await read('state/agent/host-uuid'), '7d0bb9a4-5f3b-4f51-9d4c-9a5a8a4f2a11\n')
  await write('state/agent/host-uuid', '')
  await run('identity')
  t.is(await read('state/agent/host-uuid'), '6ba7b810-9dad-41d1-80b4-00c04fd430c8\n', 'torn')
})

test('where the firmware has its own, none is kept', async t => {
  const { server, run, read } = await openScripts(t)
  server.given = {}
  await run('identity')
  t.is(await read('state/agent/host-uuid'), undefined)
})

const failing = 'error: cannot read the key of this host\n'

/** Of a host whose agent has been started. */
async function withoutAgent(host: ScriptHost): Promise<ScriptHost> {
  host.server.given = {}
  await host.write('run/token-given', 'rmj1_one\n')
  await host.write('journal', failing)
  return host
}

test('one whose agent does not come up boots anew when its boot is over, and says why', async t => {
  const host = await withoutAgent(await openScripts(t))
  host.server.faults = bootOver
  await host.run('joined')
  t.true(await isRebooted(host))
  t.is(host.server.joins, 4)
  t.regex(
    (await host.read('said')) ?? '',
    /cannot join: the agent does not come up: error: cannot read the key .*; booting anew in/
  )
})

test('also when it was let in before: nothing has been started in this boot', async t => {
  const host = await withoutAgent(await openScripts(t))
  host.server.faults = bootOver
  await admit(host)
  await host.run('joined')
  t.true(await isRebooted(host))
})

test('while its boot is open it waits for its agent', async t => {
  const host = await withoutAgent(await openScripts(t))
  const done = host.run('joined')
  await until(() => host.server.joins >= 8)
  await admit(host)
  await host.write('state/run/agent.ready', '')
  await done
  t.false(await isRebooted(host))
  t.true(host.server.progress.some(({ because }) => because?.includes('does not come up')))
})

test('an agent that waits to be told how to join is not missed', async t => {
  const host = await openScripts(t)
  host.server.faults = bootOver
  const done = host.run('joined')
  await sleep(500)
  t.is(host.server.joins, 0)
  await admit(host)
  await host.write('state/run/agent.ready', '')
  await done
  t.false(await isRebooted(host))
})

test('an agent that ends again and again before it is let in has its host boot anew', async t => {
  const host = await openScripts(t)
  const { server, run, read, write, path } = host
  server.given = {}
  server.faults = bootOver
  await write('state/run/agent.ready', '')
  const [count, called] = [path('restarts'), path('called')]
  const systemctl = `#!/bin/sh
[ "$1" = show ] || { echo "systemctl $*" >>${called}; exit; }
echo x >>${count}; wc -l <${count}
`
  await write('bin/systemctl', systemctl)
  await run('joined')
  t.true(await isRebooted(host))
  t.regex((await read('said')) ?? '', /cannot join: its agent ends again and again, and for bootd/)
})
