import fs from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import test from 'ava'
import { readLastKnown, runsInstance } from '../../../tools/down/instances.ts'

const instance = {
  id: 'i-01a1fbf4-274c-7769-96bd-181166800630',
  tenant: 'default',
  name: 'web'
}
const uuid = '01a1fbf4-274c-7769-96bd-181166800630'

for (const [line, expected] of [
  [`/usr/bin/qemu-system-x86_64 -name guest=default.web -uuid ${uuid}`, true],
  ['/usr/bin/qemu-system-x86_64 -name guest=default.web -uuid another', false],
  ['/usr/lib/libvirt/libvirt_lxc --name default.web --console 23', true],
  ['/usr/lib/libvirt/libvirt_lxc --name default.web2 --console 23', false],
  ['/usr/lib/libvirt/libvirt_lxc', false],
  [`grep ${uuid}`, false],
  ['', false]
] as const) {
  test(`"${line}" ${expected ? 'runs' : 'does not run'} the instance`, t => {
    t.is(runsInstance(line.split(' '), instance), expected)
  })
}

async function makeState(order: string | undefined, cloud: string | undefined) {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'remuda-known-'))
  await fs.mkdir(path.join(folder, 'agent'))
  if (order !== undefined) await fs.writeFile(path.join(folder, 'agent', 'order.json'), order)
  if (cloud !== undefined) {
    const file = path.join(folder, 'agent', 'admission.json')
    await fs.writeFile(file, JSON.stringify({ cloud, controllerKeys: [] }), { mode: 0o600 })
  }
  const remove = () => fs.rm(folder, { recursive: true, force: true })
  return { folder, [Symbol.asyncDispose]: remove }
}

const order = JSON.stringify({ order: { cloud: 'c-1', instances: [instance] } })

for (const [what, text, admitted, expected] of [
  ['the order', order, 'c-1', { cloud: 'c-1', instances: [instance] }],
  ['the admission, where the order is torn', order.slice(0, 20), 'c-1', 'c-1'],
  ['the admission, where there is no order', undefined, 'c-1', 'c-1'],
  ['nothing, before a host was let in', undefined, undefined, undefined]
] as const) {
  test(`what this machine was told last is known from ${what}`, async t => {
    await using state = await makeState(text, admitted)
    const known = await readLastKnown(state.folder)
    const wanted = typeof expected === 'object' ? expected : { cloud: expected, instances: [] }
    t.deepEqual(known as unknown, wanted)
  })
}
