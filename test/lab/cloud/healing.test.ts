/** What happens behind Remuda's back, and what becomes of instances when its own parts die. */
import { cp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { guestXml, prepareGuests } from '../guests.ts'
import { Cloud } from './cloud.ts'
import type { LogLine } from './daemon.ts'
import { eventually } from './waiting.ts'

let cloud: Cloud

const guests = [
  {
    name: 'web',
    driver: 'qemu',
    spec: { image: 'tiny', memoryMib: 80 },
    ending: /was ended by force after .*, not by this agent \(libvirt: stopped, destroyed\)/
  },
  {
    name: 'box',
    driver: 'lxc',
    spec: { type: 'container', image: 'tiny-container', memoryMib: 48 },
    // libvirt itself sometimes takes the end of a container that it destroys for a failure.
    ending: /(was ended by force|broke down) after .*\(libvirt: stopped, (destroyed|failed)\)/
  }
] as const
type Guest = (typeof guests)[number]

test.before(async () => {
  cloud = await Cloud.start()
  for (const { name, spec } of guests) await cloud.create(name, spec)
  for (const { name } of guests) {
    const { status } = await cloud.untilReady(name, 'running')
    await cloud.untilAnswers((status['addresses'] as string[])[0]!)
  }
})

test.afterEach.always(async t => {
  if (!t.passed) for (const line of (await cloud?.lastWords()) ?? []) t.log(line)
})

test.after.always(async () => {
  await cloud?.[Symbol.asyncDispose]()
})

/** Which run of a guest this is: libvirt's id and the process of its domain, and its boots. */
async function runOf({ name, driver }: Guest) {
  const { status } = await cloud.instance(name)
  const page = await cloud.untilAnswers((status['addresses'] as string[])[0]!)
  const pidFile = join(cloud.libvirtd.directory, 'run/libvirt', driver, `default.${name}.pid`)
  return {
    boots: page['boots'],
    domain: await cloud.virsh(driver, 'domid', `default.${name}`),
    process: (await readFile(pidFile, 'utf8')).trim()
  }
}

/** The steps of the agent that touch a domain, among these lines of its log. */
const domainSteps = (lines: readonly LogLine[]): readonly string[] =>
  lines
    .filter(({ message }) => message === 'step begun')
    .map(line => String(line['step']))
    .filter(step => /^(start|shut down|destroy|suspend|resume) /.test(step))

/** Does something to the cloud, and makes sure that no instance and no domain was touched. */
async function leavesAllAlone(t: ExecutionContext, something: () => Promise<void>): Promise<void> {
  const before = await Promise.all(guests.map(runOf))
  const told = (await cloud.agent.log()).length
  const decided = await Promise.all(guests.map(({ name }) => cloud.history(`instances/${name}`)))
  await something()
  await cloud.untilHost()
  for (const { name } of guests) await cloud.untilReady(name, 'running')
  t.deepEqual(await Promise.all(guests.map(runOf)), before)
  t.deepEqual(domainSteps((await cloud.agent.log()).slice(told)), [])
  const after = await Promise.all(guests.map(({ name }) => cloud.history(`instances/${name}`)))
  t.deepEqual(after, decided)
}

for (const guest of guests) {
  const { name, driver, ending } = guest
  test.serial(
    `a ${driver} domain that is destroyed runs again, and why tells the story`,
    async t => {
      const before = await runOf(guest)
      await cloud.virsh(driver, 'destroy', `default.${name}`)
      const story = await eventually('it was started again', async () => {
        const history = await cloud.history(`instances/${name}`)
        const endedAt = history.findIndex(({ verb }) => verb === 'instance-ended')
        const since = endedAt < 0 ? [] : history.slice(endedAt)
        return since.some(({ verb }) => verb === 'instance-started') ? since : undefined
      })
      t.deepEqual(
        story.map(({ verb }) => verb),
        ['instance-ended', 'instance-started']
      )
      t.regex(story[0]!.because, ending)
      t.regex(story[1]!.because, /was started, start 2/)
      await cloud.untilReady(name, 'running')
      const after = await runOf(guest)
      t.is(after.boots, '2')
      t.not(after.domain, before.domain)
      const { stdout } = await cloud.cli(`why instance/${name}`)
      t.regex(stdout, new RegExp(`^instance/${name} is running\n`))
      t.regex(stdout, /instance-ended by .*\n.*\n +instance-started by /)
    }
  )
}

test.serial('an instance that is never restarted stays down, and says so', async t => {
  const spec = { ...guests[1].spec, restart: { policy: 'never' } }
  await cloud.create('once', spec)
  await cloud.untilReady('once', 'running')
  await cloud.virsh('lxc', 'destroy', 'default.once')
  await eventually('it is down', async () => {
    const { status } = await cloud.instance('once')
    return status['phase'] === 'running' ? undefined : true
  })
  // Whatever the agent does next it has done once another instance has come and gone.
  await cloud.create('other', guests[1].spec)
  await cloud.untilReady('other', 'running')
  t.is((await cloud.cli('instance delete other --yes')).code, 0)
  t.notRegex(await cloud.virsh('lxc', 'list', '--all', '--name'), /once/)
  await eventually('it is stopped', async () => {
    const { status } = await cloud.instance('once')
    return status['phase'] === 'stopped' ? true : undefined
  })
  const verbs = (await cloud.history('instances/once')).map(({ verb }) => verb)
  t.deepEqual(verbs, ['created', 'placed', 'instance-started', 'instance-ended'])
  const why = await cloud.cli('why instance/once')
  t.regex(why.stdout, /restart policy is never; raise restarts by one to start it again/)
  const again = await cloud.cli('instance restart once')
  t.is(again.code, 0, again.stderr)
  t.regex(await cloud.virsh('lxc', 'list', '--name'), /default\.once/)
  t.is((await cloud.cli('instance delete once --yes')).code, 0)
})

test.serial('a machine that shuts itself down stays down where only failures count', async t => {
  const patch = async (restart: object) => {
    await cloud.api.ask({
      method: 'PATCH',
      path: '/v1/instances/web',
      headers: { 'if-match': '*' },
      body: { spec: { restart } },
      doing: 'change the restart policy of web'
    })
    await cloud.untilReady('web', 'running')
  }
  await patch({ policy: 'on-failure' })
  {
    await using session = cloud.console('web')
    session.type('\r')
    await session.until(/root@\S+:~# /)
    session.type('poweroff\r')
    await eventually('it is off', async () => {
      const { status } = await cloud.instance('web')
      return status['phase'] === 'running' ? undefined : true
    })
  }
  const last = await eventually('its history says so', async () => {
    const decided = (await cloud.history('instances/web')).at(-1)!
    return decided.verb === 'changed' ? undefined : decided
  })
  t.is(last.verb, 'instance-ended')
  t.regex(last.because, /default\/web shut itself down after/)
  const { status, conditions } = await cloud.instance('web')
  t.is(status['phase'], 'stopped')
  t.regex(conditions.find(({ type }) => type === 'ready')?.message ?? '', /policy is on-failure/)
  t.is((await cloud.cli('instance restart web --timeout 90s')).code, 0)
  await patch({ policy: 'always' })
})

test.serial('a foreign domain is reported and never touched, whoever has its name', async t => {
  const files = await prepareGuests(cloud.libvirtd.directory)
  const domain = {
    driver: 'qemu',
    uuid: '6a1b9d0e-6f0c-4a53-9a49-5f6f2f4f4d11',
    name: 'default.stranger',
    memoryMib: 32,
    metadata: undefined
  } as const
  const xml = join(cloud.libvirtd.directory, 'foreign.xml')
  await writeFile(xml, guestXml(domain, files))
  await cloud.virsh('qemu', 'define', xml)
  await cloud.virsh('qemu', 'start', domain.name)
  const id = await cloud.virsh('qemu', 'domid', domain.name)
  const host = await eventually('the foreign domain is reported', async () => {
    const document = await cloud.untilHost()
    return document.status['foreign'] === 1 ? document : undefined
  })
  const found = await eventually('its host says so', async () =>
    (await cloud.history(`hosts/${host.name}`)).find(({ verb }) => verb === 'foreign-domain')
  )
  t.regex(found.because, /found the qemu domain default\.stranger with 32 MiB, .* it is left alone/)
  await cloud.create('stranger', { image: 'tiny', memoryMib: 80 })
  const document = await eventually('the name is taken', async () => {
    const seen = await cloud.instance('stranger')
    return seen.status['phase'] === 'failed' ? seen : undefined
  })
  const ready = document.conditions.find(({ type }) => type === 'ready')
  t.is(ready?.reason, 'foreign-in-the-way')
  t.regex(
    ready?.message ?? '',
    /not of this cloud has its name default\.stranger; remove or rename/
  )
  t.is((await cloud.cli('instance delete stranger --yes')).code, 0)
  t.is(await cloud.virsh('qemu', 'domid', domain.name), id)
  t.is(await cloud.virsh('qemu', 'domstate', domain.name), 'running')
  await cloud.virsh('qemu', 'destroy', domain.name)
  t.regex(await cloud.virsh('qemu', 'list', '--all', '--name'), /default\.stranger/)
  await cloud.virsh('qemu', 'undefine', domain.name)
  await eventually('it is no longer reported', async () =>
    (await cloud.untilHost()).status['foreign'] === 0 ? true : undefined
  )
})

test.serial('an agent that is killed and comes back changes nothing', async t => {
  await leavesAllAlone(t, async () => {
    await cloud.agent.kill()
    const silent = await eventually('the host is silent', async () => {
      const document = await cloud.instance('web')
      return document.status['phase'] === 'unknown' ? document : undefined
    })
    const ready = silent.conditions.find(({ type }) => type === 'ready')
    t.like(ready, { status: 'unknown', reason: 'host-silent' })
    t.regex(ready?.message ?? '', /is silent for .*; it may well be running/)
    for (const guest of guests) await runOf(guest)
    await cloud.agent.start()
  })
  const host = await cloud.untilHost()
  const verbs = (await cloud.history(`hosts/${host.name}`)).map(({ verb }) => verb)
  t.deepEqual(verbs.slice(-2), ['host-silent', 'host-online'])
})

test.serial("a deletion that the agent's death interrupts leaves nothing", async t => {
  const { id } = await cloud.create('brief', guests[0].spec)
  const { status } = await cloud.untilReady('brief', 'running')
  await cloud.untilAnswers((status['addresses'] as string[])[0]!)
  t.is((await cloud.cli('instance delete brief --yes --no-wait')).code, 0)
  await eventually(
    'it is asked to shut down',
    async () =>
      (await cloud.agent.log()).some(({ step }) => step === 'shut down default/brief') || undefined
  )
  await cloud.agent.kill()
  // The agent says what it does before it does it: libvirt may not have heard of it yet.
  await cloud.virsh('qemu', 'shutdown', 'default.brief').catch(() => {})
  await eventually('it has shut down', async () =>
    (await cloud.virsh('qemu', 'list', '--name')).includes('brief') ? undefined : true
  )
  await cloud.agent.start()
  await eventually('it is gone', async () =>
    (await cloud.list('instances')).some(({ name }) => name === 'brief') ? undefined : true
  )
  await eventually('nothing of it is left', async () => {
    const files = await readdir(join(cloud.folder, 'agent'), { recursive: true })
    const left = files.filter(file => file.includes(id))
    if (left.length > 0) throw new Error(`${left.join(', ')} lies there`)
    return true
  })
})

test.serial('a controller that is killed and comes back changes nothing', async t => {
  await leavesAllAlone(t, async () => {
    await cloud.controller.kill()
    for (const { driver, name } of guests) {
      t.is(await cloud.virsh(driver, 'domstate', `default.${name}`), 'running')
    }
    await cloud.controller.start()
  })
})

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  test.serial(`instances live on when libvirtd is ended by ${signal} and comes back`, async t => {
    const told = (await cloud.agent.log()).length
    await leavesAllAlone(t, async () => {
      await cloud.libvirtd.restart(signal)
      await eventually('the agent has reconnected', async () => {
        const lines = (await cloud.agent.log()).slice(told)
        const opened = lines.filter(({ message }) => message === 'libvirt connected')
        return opened.length >= guests.length ? true : undefined
      })
    })
  })
}

test.serial('a container whose init libvirt has never learnt is stopped all the same', async t => {
  const state = join(cloud.libvirtd.directory, 'run/libvirt/lxc/default.box.xml')
  await cloud.libvirtd.stop()
  await writeFile(state, (await readFile(state, 'utf8')).replace(/<init pid='\d+'\/>/, ''))
  await cloud.libvirtd.start()
  await cloud.untilReady('box', 'running')
  await t.throwsAsync(cloud.virsh('lxc', 'dominfo', 'default.box'), { message: /Init pid/ })
  const told = (await cloud.agent.log()).length
  t.is((await cloud.cli('instance stop box --timeout 90s')).code, 0)
  const steps = domainSteps((await cloud.agent.log()).slice(told))
  t.deepEqual([...new Set(steps)], ['shut down default/box'])
  const last = (await cloud.history('instances/box')).at(-1)!
  t.regex(last.because, /default\/box has ended: it is wished to be stopped$/)
  t.is((await cloud.cli('instance start box --timeout 90s')).code, 0)
})

test.serial('an epoch that is over is refused, and an older journal leads on above it', async t => {
  const journal = join(cloud.folder, 'controller/journal')
  await leavesAllAlone(t, async () => {
    await cloud.controller.stop()
    await cp(journal, `${journal}.older`, { recursive: true })
    for (let times = 0; times < 2; times += 1) {
      await cloud.controller.start()
      await cloud.untilHost()
      await cloud.controller.stop()
    }
    await rm(journal, { recursive: true })
    await rename(`${journal}.older`, journal)
    const told = (await cloud.agent.log()).length
    await cloud.controller.start()
    await cloud.untilHost()
    const refusals = (await cloud.agent.log()).slice(told).filter(({ level }) => level === 'warn')
    t.regex(
      String(refusals[0]?.['because']),
      /^cannot listen to epoch \d+: epoch \d+ has been seen$/
    )
    const { epoch } = (await cloud.get('/v1/status')) as { epoch: number }
    const seen = Number(/epoch (\d+) has been seen/.exec(String(refusals[0]?.['because']))![1])
    t.true(epoch > seen, `epoch ${epoch} after ${seen}`)
  })
})
