/** What GRUB finds over TFTP: the same as what machines are told that can ask over HTTP. */
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { GrubFiles } from '../../../bootd/io/boot/grub-files.ts'
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

test('a machine is found by a MAC with which it has booted', async t => {
  const { server, bring, scripts } = await scene(t)
  server.boots.ask({ uuid: machine.uuid!, mac: '52:54:00:77:00:aa' }, '127.0.0.1')
  await bring()
  t.true((await scripts()).includes('52:54:00:77:00:aa.cfg'))
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
  t.like(server.boots.states()[0], { stage: 'script', failures: 1 })
  const [known] = server.plan.machines
  server.plan = { ...server.plan, machines: [{ ...known!, profile: 'nothing' }] }
  t.is((await server.ask(asking)).text, 'wait nothing is wished of it\n')
  server.plan = { ...server.plan, machines: [{ ...known!, profile: 'disk' }] }
  t.is((await server.ask(asking)).text, 'anew it starts from its own disk\n')
  t.is((await server.ask('/boot.words?version=1')).status, 400)
  t.is((await server.ask(asking, { method: 'HEAD' })).status, 405)
})
