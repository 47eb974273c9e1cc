/** What GRUB finds over TFTP: the same as what machines are told that can ask over HTTP. */
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { GrubFiles } from '../../../bootd/io/boot/grub-files.ts'
import { madeUuids, sharedUuids } from '../../../shared/hardware-names.ts'
import { BootServer, putVersion, until } from './boot-server.ts'
import { machine } from './plans.ts'

const url = 'http://10.77.0.1:7480'

async function scene(t: ExecutionContext) {
  const server = await BootServer.start()
  const folder = await mkdtemp(join(tmpdir(), 'remuda-grub-'))
  t.teardown(async () => {
    await server[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })
  const files = await GrubFiles.open(folder, { url, images: server.images })
  const bring = () => files.bring(server.boots.offers())
  await bring()
  const read = (path: string) => readFile(join(folder, path), 'utf8')
  const scripts = async () => (await readdir(join(folder, 'grub/machines'))).sort()
  return { server, folder, bring, read, scripts }
}

test('each machine has a script by its UUID and its MACs, and strangers have one', async t => {
  const { server, folder, read, scripts } = await scene(t)
  const [mac] = machine.macs
  t.deepEqual(await scripts(), [`${machine.uuid}.cfg`, `${mac}.cfg`, 'unknown.cfg'])
  const { version, files } = server.image
  const script = await read(`grub/machines/${mac}.cfg`)
  t.is(await read(`grub/machines/${machine.uuid}.cfg`), script)
  t.regex(script, new RegExp(`linux "\\(tftp,10\\.77\\.0\\.1\\)/images/${version}/vmlinuz"`))
  t.regex(script, /remuda\.ask=yes/)
  t.notRegex(script, /remuda\.boot=/)
  t.is(await read(`images/${version}/vmlinuz`), files.vmlinuz.toString())
  t.is(await read(`images/${version}/initrd`), files.initrd.toString())
  for (const path of ['', 'grub', 'grub/machines', 'images', `images/${version}`]) {
    if (path !== '') t.is((await stat(join(folder, path))).mode & 0o777, 0o755, path)
  }
  t.is((await stat(join(folder, `images/${version}/initrd`))).mode & 0o777, 0o644)
})

test('what an earlier run has left is served on, until it is known to be otherwise', async t => {
  const { server, folder, scripts } = await scene(t)
  const { version } = server.image
  const paths = ['grub/grub.cfg', `grub/machines/${machine.uuid}.cfg`, `images/${version}/initrd`]
  const inodes = () => Promise.all(paths.map(async path => (await stat(join(folder, path))).ino))
  const before = await inodes()
  await writeFile(join(folder, 'grub/machines/of-long-ago.cfg'), 'exit')
  await mkdir(join(folder, 'images/0123456789abcdef'))
  await writeFile(join(folder, `images/${version}/vmlinuz`), 'half')
  const files = await GrubFiles.open(folder, { url, images: server.images })
  t.deepEqual(await inodes(), before)
  await files.bring(server.boots.offers())
  t.deepEqual(await inodes(), before, 'what is right is not written again')
  t.is((await scripts()).length, 3)
  t.deepEqual(await readdir(join(folder, 'images')), [version])
  const kernel = await readFile(join(folder, `images/${version}/vmlinuz`))
  t.deepEqual(kernel, server.image.files.vmlinuz)
})

test('what the plan says anew is in the files, and what nobody gets is gone', async t => {
  const { server, folder, bring, read, scripts } = await scene(t)
  const [known] = server.plan.machines
  const unknown = { profile: 'nothing' } as const
  server.plan = { ...server.plan, machines: [{ ...known!, profile: 'disk' }], unknown }
  await bring()
  t.regex(await read(`grub/machines/${machine.uuid}.cfg`), /^exit$/m)
  t.regex(await read('grub/machines/unknown.cfg'), /waits: nobody knows it/)
  t.deepEqual(await readdir(join(folder, 'images')), [])
  server.plan = { ...server.plan, machines: [] }
  await bring()
  t.deepEqual(await scripts(), ['unknown.cfg'])
})

test('a machine that has failed too often finds the version before', async t => {
  const { server, bring, read } = await scene(t)
  const { version: wished } = await putVersion(server.images.folder, { kernel: '6.2.0' })
  server.images.lookAgain()
  await until(() => server.images.state(wished).state === 'whole')
  const [known] = server.plan.machines
  const { version } = server.image
  server.plan = { ...server.plan, machines: [{ ...known!, version: wished, fallback: version }] }
  await bring()
  t.regex(await read(`grub/machines/${machine.uuid}.cfg`), new RegExp(`images/${wished}/vmlinuz`))
  for (let times = 0; times < 3; times += 1) {
    const { token } = server.boots.ask({ uuid: machine.uuid! }, '127.0.0.1')
    const shown = await server.boots.show(token, '127.0.0.1')
    if ('refused' in shown) return t.fail(shown.refused)
    server.boots.progress(shown.key, { stage: 'failed', because: 'it panics' })
  }
  await bring()
  t.regex(await read(`grub/machines/${machine.uuid}.cfg`), new RegExp(`images/${version}/vmlinuz`))
})

test('a machine finds what it was told, by whatever name it asks', async t => {
  const { server, bring, read, scripts } = await scene(t)
  const [known] = server.plan.machines
  const { version } = server.image
  const { uuid: _, ...bySerial } = { ...known!, macs: [], serial: 'S7', profile: 'disk' as const }
  server.plan = { ...server.plan, machines: [bySerial], unknown: { profile: 'host', version } }
  await bring()
  // Nobody's script is that of a machine that only its serial number tells.
  t.deepEqual(await scripts(), ['unknown.cfg'])
  t.regex(await read('grub/machines/unknown.cfg'), /vmlinuz/)
  const own = '52:54:00:77:00:aa'
  server.boots.ask({ serial: 'S7', mac: own }, '127.0.0.1')
  const board = '9d3f9c52-4c5d-4f57-8d3a-0c2a0d7f1b11'
  server.boots.ask({ uuid: board, serial: 'S7', mac: own }, '127.0.0.1')
  await bring()
  t.regex(await read(`grub/machines/${own}.cfg`), /^exit$/m)
  t.regex(await read(`grub/machines/${board}.cfg`), /^exit$/m)
})

test('a MAC of the plan is that machine, whoever else has shown it', async t => {
  const { server, bring, read } = await scene(t)
  const [known] = server.plan.machines
  const other = { ...known!, name: 'host-2', uuid: '9d3f9c52-4c5d-4f57-8d3a-0c2a0d7f1b11' }
  const disk = { ...known!, macs: [], profile: 'disk' as const }
  server.plan = { ...server.plan, machines: [disk, other] }
  server.boots.ask({ uuid: known!.uuid!, mac: other.macs[0]! }, '127.0.0.1')
  await bring()
  t.regex(await read(`grub/machines/${other.macs[0]}.cfg`), /host-2 starts/)
  t.regex(await read(`grub/machines/${known!.uuid}.cfg`), /^exit$/m)
})

for (const uuid of ['../../../outside', 'unknown', '', 'A'.repeat(36), '..']) {
  test(`a host that calls itself "${uuid}" has no script of that name`, async t => {
    const { server, folder, bring, scripts } = await scene(t)
    const [known] = server.plan.machines
    const evil = { ...known!, uuid, macs: ['../../x', 'zz'], profile: 'disk' as const }
    server.plan = { ...server.plan, machines: [evil], unknown: { profile: 'nothing' } }
    await bring()
    t.deepEqual(await scripts(), ['unknown.cfg'])
    t.deepEqual((await readdir(folder)).sort(), ['grub', 'images'])
    t.deepEqual((await readdir(join(folder, 'grub'))).sort(), ['grub.cfg', 'machines'])
  })
}

test('who reads a script that starts nothing of ours has asked, and is told of', async t => {
  const { server } = await scene(t)
  const [known] = server.plan.machines
  server.plan = { ...server.plan, machines: [{ ...known!, profile: 'disk', wish: 'once disk' }] }
  const [mac] = known!.macs
  const address = '10.77.0.9'
  server.boots.saw({ mac: mac!, address, isIpxe: false, firmware: 'uefi' })
  server.boots.tookScript(known!.uuid!, address)
  t.like(server.boots.states()[0], { stage: 'script', profile: 'disk', wish: 'once disk' })
  server.plan = { ...server.plan, machines: [], unknown: { profile: 'nothing' } }
  server.boots.saw({ mac: '52:54:00:77:00:0f', address: '10.77.0.10', isIpxe: false })
  server.boots.tookScript('unknown', '10.77.0.10')
  t.like(server.boots.states()[0], { stage: 'waiting' })
  t.is(server.boots.states().length, 2)
})

test('who gets the address of another one is not taken for that one', async t => {
  const { server } = await scene(t)
  const [known] = server.plan.machines
  const disk = { profile: 'disk' as const, wish: 'once disk' }
  const first = { ...known!, ...disk, name: 'host-1' }
  const uuid = '9d3f9c52-4c5d-4f57-8d3a-0c2a0d7f1b11'
  const own = '52:54:00:77:00:bb'
  const second = { ...known!, ...disk, name: 'host-2', uuid, macs: [], serial: 'S2' }
  server.plan = { ...server.plan, machines: [first, second] }
  const address = '10.77.0.9'
  server.boots.saw({ mac: first.macs[0]!, address, isIpxe: false, firmware: 'uefi' })
  server.boots.tookScript(first.uuid!, address)
  server.boots.saw({ mac: own, address, isIpxe: false, firmware: 'uefi' })
  server.boots.tookScript(uuid, address)
  t.like(server.boots.states()[0], { name: 'host-2', macs: [own], stage: 'script' })
  t.like(server.boots.states()[1], { name: 'host-1', macs: first.macs, stage: 'script' })
  t.is(server.boots.states().length, 2)
})

for (const [whose, known] of [
  ['a machine of the plan', ['uuid', 'macs']],
  ['a machine that the plan knows by its MAC alone', ['macs']],
  ['a machine that the plan knows by its UUID alone', ['uuid']]
] as const) {
  test(`GRUB having fetched its kernel, a new beginning of ${whose} is a crash`, async t => {
    const { server } = await scene(t)
    const [planned] = server.plan.machines
    const { uuid, macs, serial: _, ...rest } = planned!
    const isNamed = known.some(each => each === 'uuid')
    const isPlugged = known.some(each => each === 'macs')
    const machine = { ...rest, macs: isPlugged ? macs : [], ...(isNamed && { uuid }) }
    server.plan = { ...server.plan, machines: [machine as typeof planned & {}] }
    const { version } = server.image
    const address = '127.0.0.1'
    const switchedOn = { mac: planned!.macs[0]!, address, isIpxe: false, firmware: 'uefi' }
    const { boots } = server
    for (let crashes = 0; crashes < 3; crashes += 1) {
      boots.saw(switchedOn)
      t.like(boots.states()[0], { stage: 'dhcp', failures: crashes })
      // GRUB asks by the UUID first, and by that of the MAC where there is none.
      boots.tookScript(isNamed ? uuid! : macs[0]!, address)
      boots.tookKernel('00112233445566ff', address)
      t.like(boots.states()[0], { stage: 'dhcp' }, 'that one it shall not have')
      boots.tookKernel(version, address)
      boots.tookKernel(version, address)
      t.like(boots.states()[0], { stage: 'kernel', version, failures: crashes, name: 'host-1' })
    }
    boots.saw(switchedOn)
    boots.tookScript(isNamed ? uuid! : macs[0]!, address)
    boots.tookKernel(version, address)
    const asking = `/boot.words?uuid=${uuid}&mac=${switchedOn.mac}&version=${version}`
    t.regex((await server.ask(asking)).text, /^boot /)
    const states = boots.states()
    t.like(states[0], { uuid, stage: 'kernel', failures: 3 })
    const stages = states[0]?.stages.map(({ stage }) => stage)
    t.deepEqual(stages, ['dhcp', 'script', 'kernel'], 'it is the same boot')
    t.is(states.length, 1)
  })
}

test('a board without a UUID of its own is one machine to GRUB and to its first stage', async t => {
  const { server } = await scene(t)
  const { boots, image } = server
  const [planned] = server.plan.machines
  const uuid = madeUuids({ serial: 'S-7' })[0]!
  const { serial: _, ...host } = planned!
  server.plan = { ...server.plan, machines: [{ ...host, uuid, macs: [] }] }
  const [mac, address] = ['52:54:00:77:00:0a', '127.0.0.1']
  const { version } = image
  for (let boot = 0; boot < 5; boot += 1) {
    boots.saw({ mac, address, isIpxe: false, firmware: 'uefi' })
    boots.tookScript(sharedUuids[0]!, address)
    boots.tookKernel(version, address)
    const asking = `/boot.words?uuid=${sharedUuids[0]}&serial=S-7&mac=${mac}&version=${version}`
    const { text } = await server.ask(asking)
    t.regex(text, /^boot /)
    const token = /remuda\.boot=(\S+)/.exec(text)?.[1] ?? ''
    const told = { method: 'POST', body: 'stage=joined' }
    t.is((await server.ask(`/v1/boots/${token}/progress`, told)).status, 204)
    t.is(boots.states().length, 1)
    t.like(boots.states()[0], { uuid, name: 'host-1', stage: 'joined', failures: 0 })
    t.is(boots.whose(address)?.host, uuid, 'what it says is kept as its log')
  }
})

test('who fetches a kernel over TFTP and does not boot has not begun anew', async t => {
  const { server } = await scene(t)
  const { boots, image } = server
  const [mac] = machine.macs
  boots.tookKernel(image.version, '127.0.0.1')
  t.deepEqual(boots.states(), [])
  boots.saw({ mac: mac!, address: '127.0.0.1', isIpxe: false, firmware: 'uefi' })
  const { token } = boots.ask({ uuid: machine.uuid!, mac: mac! }, '127.0.0.1')
  const shown = await boots.show(token, '127.0.0.1')
  if ('refused' in shown) return t.fail(shown.refused)
  boots.progress(shown.key, { stage: 'joined' })
  boots.tookKernel(image.version, '127.0.0.1')
  t.like(boots.states()[0], { stage: 'joined', failures: 0 })
})

test('of many machines that start something else each is told of', async t => {
  const { server } = await scene(t)
  const uuidOf = (n: number) => `9d3f9c52-4c5d-4f57-8d3a-${String(n).padStart(12, '0')}`
  const machines = Array.from({ length: 2_500 }, (_, n) => ({
    ...{ name: `h${n}`, uuid: uuidOf(n), macs: [], profile: 'host' as const, wish: 'w' }
  }))
  server.plan = { ...server.plan, machines }
  for (const { uuid } of machines) server.boots.ask({ uuid }, '127.0.0.1')
  for (const _ of [1, 2]) {
    for (const { uuid } of machines) server.boots.startsAnew({ uuid }, 'it gets another version')
  }
  t.true(server.boots.states().every(({ stage }) => stage === 'failed'))
})

test('a first stage that asks again has not crashed', async t => {
  const { server } = await scene(t)
  const { version } = server.image
  const asking = `/boot.words?uuid=${machine.uuid}&version=${version}`
  for (let times = 0; times < 5; times += 1) {
    t.regex((await server.ask(asking)).text, /^boot /)
    t.like(server.boots.states()[0], { stage: 'kernel', failures: 0 })
  }
})

test('the first stage is told what to go on with, or to start anew', async t => {
  const { server } = await scene(t)
  const { version } = server.image
  const asking = `/boot.words?uuid=${machine.uuid}&mac=52:54:00:77:00:01&arch=x86_64`
  const { text } = await server.ask(`${asking}&version=${version}`)
  const token = /remuda\.boot=(\S+)/.exec(text)?.[1] ?? ''
  t.regex(
    text,
    new RegExp(`^boot remuda\\.url=\\S+ .*remuda\\.version=${version} remuda\\.manifest=`)
  )
  t.like(server.boots.states()[0], { stage: 'kernel', name: 'host-1', version })
  const root = `/images/${version}/root.squashfs?token=${token}`
  t.is((await server.ask(root)).status, 200)
  t.is((await server.ask(root, { from: '127.0.0.2' })).status, 403)
  t.is(
    (await server.ask(`${asking}&version=00112233445566ff`)).text,
    `anew it gets image version ${version}\n`
  )
  const rescue = `${asking}&version=${version}&profile=rescue`
  t.is((await server.ask(rescue)).text, 'anew it gets profile host\n')
  // Nothing of that counts as given, or as a crash, but the second time in a row is no accident.
  t.like(server.boots.states()[0], { stage: 'failed', failures: 1 })
  t.regex(
    server.boots.states()[0]?.because ?? '',
    /^its boot loader has started something else 2 times/
  )
  const [known] = server.plan.machines
  server.plan = { ...server.plan, machines: [{ ...known!, profile: 'nothing' }] }
  t.is((await server.ask(asking)).text, 'wait nothing is wished of it\n')
  server.plan = { ...server.plan, machines: [{ ...known!, profile: 'disk' }] }
  t.is((await server.ask(asking)).text, 'anew it starts from its own disk\n')
  t.is((await server.ask('/boot.words?version=1')).status, 400)
  t.is((await server.ask(asking, { method: 'HEAD' })).status, 405)
})
