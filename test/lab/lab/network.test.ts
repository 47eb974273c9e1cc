/**
 * The instances' network in a real lab of two hosts: machines and containers on both reach each
 * other, and a machine that has moved renews its lease where it is then.
 */
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import anyTest, { type TestFn } from 'ava'
import type { ResourceDocument } from '#shared/model/index.ts'
import { createResource, readResource, sayVerb } from '../../../tools/cli/api/resources.ts'
import type { Lab } from '../../../tools/lab/lab.ts'
import { openLab } from '../../../tools/lab/open.ts'
import { eventually } from '../cloud/waiting.ts'

const test = anyTest.serial as TestFn
let lab: Lab

/**
 * Lets an instance be asked to ask others, and to renew its lease: it says when it holds it anew,
 * since it forgets before that it had one.
 */
const userData = `#!/bin/sh
cd /srv/www/cgi-bin
cat >reach <<'END'
#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
exec timeout 3 busybox wget -q -O - "http://$QUERY_STRING/"
END
cat >renew <<'END'
#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
rm /run/tiny/address.*
killall -USR1 udhcpc
until cat /run/tiny/address.*; do usleep 100000; done 2>/dev/null
END
chmod 755 reach renew
`
const machine = { type: 'vm', image: 'tiny', memoryMib: 80, pool: 'shared' }
const container = { type: 'container', image: 'tiny-container', memoryMib: 64 }
const names = ['vm1', 'vm2', 'box1', 'box2']
/** Where vm1 is at first, and the other host. */
let near: string
let far: string

test.before('two hosts with a machine and a container each', async t => {
  t.timeout(300_000)
  const folder = await mkdtemp(join(tmpdir(), 'remuda-lab-net-'))
  const ranges = { subnet: '10.83.0.0/24', instances: '10.84.0.0/16' }
  const wish = { folder, hosts: 2, solo: true, outside: false, isBound: true, ...ranges }
  // The host that is cut off here shall stay as it is.
  lab = await openLab({ ...wish, isFenced: false })
  // One that is bound to its host could not move.
  await create('vm1', machine)
  near = await eventually('vm1 has a host', async () => {
    const host = (await read('vm1')).status['host']
    return typeof host === 'string' ? host : undefined
  })
  far = near === 'h1' ? 'h2' : 'h1'
  await create('vm2', { ...machine, host: far })
  await create('box1', { ...container, host: near })
  await create('box2', { ...container, host: far })
})

test.after.always('the lab is taken away', async t => {
  t.timeout(300_000)
  await lab?.[Symbol.asyncDispose]()
})

test('machines and containers on two hosts reach each other, each both ways', async t => {
  t.timeout(300_000)
  for (const from of names) {
    for (const to of names.filter(name => name !== from)) {
      const page = await eventually(`${from} reaches ${to}`, async () => {
        const [asked, other] = [await addressOf(from), await addressOf(to)]
        return asked && other && (await cgi(asked, `reach?${other}`))
      })
      t.regex(page, new RegExp(`^name: ${to}\nhost: ${to.endsWith('1') ? near : far}$`, 'm'))
    }
  }
})

test('a machine that has moved renews its lease at its new host and keeps its address', async t => {
  t.timeout(300_000)
  const address = (await addressOf('vm1'))!
  await sayVerb(lab.api, { kind: 'instance', name: 'vm1' }, 'migrate', {
    body: { to: far, live: true }
  })
  await eventually('vm1 is on the other host', async () => {
    const { status, conditions } = await read('vm1')
    const isReady = conditions.find(({ type }) => type === 'ready')?.status === 'true'
    return status['host'] === far && status['move'] === undefined && isReady ? true : undefined
  })
  // Nobody but its new host can answer it now.
  await lab.partition([[near], [far]])
  const renewed = await eventually('vm1 holds its lease anew', () => cgi(address, 'renew', 20))
  t.regex(renewed, new RegExp(`^${address}/\\d+\n$`))
  t.regex((await lab.http(address)) ?? '', new RegExp(`^address: ${address}$`, 'm'))
  await lab.heal()
  const page = await eventually('box1 reaches it from where it was', async () => {
    return await cgi((await addressOf('box1'))!, `reach?${address}`)
  })
  t.regex(page, /^name: vm1$/m)
  t.is(await addressOf('vm1'), address)
})

const create = (name: string, spec: object) =>
  createResource(lab.api, { kind: 'instance', name }, { spec: { ...spec, userData } })

const read = (name: string): Promise<ResourceDocument> =>
  readResource(lab.api, { kind: 'instance', name })

async function addressOf(name: string): Promise<string | undefined> {
  return ((await read(name)).status['addresses'] as readonly string[])[0]
}

/** Asks an instance from the switch; undefined: it did not answer, or could not do it. */
async function cgi(address: string, path: string, seconds = 5): Promise<string | undefined> {
  const get = ['busybox', 'wget', '-q', '-O', '-', `http://${address}/cgi-bin/${path}`]
  const line = ['timeout', '-s', 'KILL', String(seconds), ...get]
  const { code, stdout } = await lab.run('switch', line)
  return code === 0 && stdout !== '' ? stdout : undefined
}
