import test from 'ava'
import { BootServer, putVersion, tokenOf, until } from './boot-server.ts'
import { machine } from './plans.ts'

const known = `/boot.ipxe?uuid=${machine.uuid}&mac=52-54-00-77-00-01&arch=x86_64&platform=efi`

/** Asks for a script, and fetches the kernel that it names. */
async function fetchKernel(server: BootServer, asking: string): Promise<string> {
  const { text } = await server.ask(asking)
  const version = /images\/([0-9a-f]+)\/vmlinuz/.exec(text)?.[1]
  const kernel = await server.ask(`/images/${version}/vmlinuz?token=${tokenOf(text)}`)
  if (kernel.status !== 200) throw new Error(`${kernel.status}: ${kernel.text}`)
  // It is told once all of the file is sent.
  await until(() => server.boots.states()[0]?.stage === 'kernel')
  return version ?? 'none'
}

test('a script that begins again since a file did not come has not failed', async t => {
  await using server = await BootServer.start()
  await fetchKernel(server, known)
  const [first] = server.boots.states()
  for (let times = 0; times < 4; times += 1) {
    await fetchKernel(server, `${known}&again=1`)
    const because = 'it asks again: its kernel or its initial file system did not come'
    t.like(server.boots.states()[0], { boot: first!.boot, stage: 'kernel', failures: 0, because })
  }
  await fetchKernel(server, `${known}&again=0`)
  t.like(server.boots.states()[0], { stage: 'kernel', failures: 1 }, 'its kernel did not start')
  await fetchKernel(server, known)
  t.like(server.boots.states()[0], { stage: 'kernel', failures: 2 }, 'it has crashed')
})

test('where no DHCP is seen, a version that crashes is given three times and no more', async t => {
  await using server = await BootServer.start()
  const { version: wished } = await putVersion(server.images.folder, { kernel: '6.2.0' })
  server.images.lookAgain()
  await until(() => server.images.state(wished).state === 'whole')
  const [planned] = server.plan.machines
  const fallback = server.image.version
  server.plan = { ...server.plan, machines: [{ ...planned!, version: wished, fallback }] }
  const given: string[] = []
  for (let boot = 0; boot < 4; boot += 1) given.push(await fetchKernel(server, known))
  t.deepEqual(given, [wished, wished, wished, fallback])
  t.like(server.boots.states()[0], { isFallback: true, failures: 3 })
})
