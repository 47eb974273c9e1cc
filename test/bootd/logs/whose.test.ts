/** Whose log it is that comes from an address. */
import test from 'ava'
import { Boots } from '../../../bootd/io/boot/boots.ts'
import { realClock } from '../../../shared/clock.ts'
import { silentLog } from '../../../shared/log.ts'
import { BootServer, tokenOf } from '../boot/boot-server.ts'
import { machine, whole } from '../boot/plans.ts'

const mac = machine.macs[0]!
const strange = '52:54:00:99:99:99'
const path = `/boot.ipxe?uuid=${machine.uuid}&mac=52-54-00-77-00-01`

const progress = (server: BootServer, script: string, from: string, stage: string) =>
  server.ask(`/v1/boots/${tokenOf(script)}/progress`, {
    ...{ method: 'POST', body: `stage=${stage}`, from }
  })

test('an address is that of the machine that has booted from it last, or of its MAC', async t => {
  t.timeout(60_000)
  await using server = await BootServer.start()
  const { boots } = server
  t.is(boots.whose('127.0.0.44'), undefined)
  await server.ask(path, { from: '127.0.0.44' })
  const { boot } = boots.states()[0]!
  const owner = { host: machine.uuid!, boot }
  t.like(boots.whose('127.0.0.44'), owner)
  t.like(boots.whose('127.0.0.45', mac), owner, 'by its MAC')
  t.is(boots.whose('127.0.0.46', strange), undefined)
  t.is(boots.whose('127.0.0.47'), undefined)
})

test('once a machine has another address, the one before is nobody’s', async t => {
  t.timeout(60_000)
  await using server = await BootServer.start({ macs: { '127.0.0.45': mac } })
  const { text } = await server.ask(path, { from: '127.0.0.44' })
  await progress(server, text, '127.0.0.45', 'system')
  t.is(server.boots.whose('127.0.0.44'), undefined)
  t.is(server.boots.whose('127.0.0.45')?.host, machine.uuid)
})

test('who asks in the name of a machine that has joined takes no log from it', async t => {
  t.timeout(60_000)
  await using server = await BootServer.start()
  const { boots } = server
  const { text } = await server.ask(path, { from: '127.0.0.44' })
  for (const stage of ['system', 'joined']) await progress(server, text, '127.0.0.44', stage)
  const owner = boots.whose('127.0.0.44')
  t.like(owner, { host: machine.uuid!, hasJoined: true })
  const forged = `/boot.ipxe?uuid=${machine.uuid}&mac=${strange.replaceAll(':', '-')}`
  for (let round = 0; round < 2; round += 1) {
    const script = await server.ask(forged, { from: '127.0.0.66' })
    await progress(server, script.text, '127.0.0.66', 'system')
    t.is(boots.whose('127.0.0.66', strange), undefined)
    t.deepEqual(boots.whose('127.0.0.44'), owner)
    t.deepEqual(boots.whose('127.0.0.45', mac), owner)
  }
})

test('one that begins anew has its log under the new boot, by its address or MAC', async t => {
  t.timeout(60_000)
  await using server = await BootServer.start()
  const { boots } = server
  const begin = async (from: string) => {
    const { text } = await server.ask(path, { from })
    await progress(server, text, from, 'joined')
    return boots.states()[0]!.boot
  }
  const first = await begin('127.0.0.44')
  t.is(boots.whose('127.0.0.44')?.boot, first)
  const second = await begin('127.0.0.44')
  t.is(boots.whose('127.0.0.44')?.boot, second, 'the address is its own')
  const third = await begin('127.0.0.48')
  t.is(boots.whose('127.0.0.48'), undefined, 'these are only words')
  t.is(boots.whose('127.0.0.48', mac)?.boot, third)
  t.is(boots.whose('127.0.0.48')?.boot, third)
  t.is(boots.whose('127.0.0.44'), undefined)
})

test('an address stays with who booted from it last', async t => {
  t.timeout(60_000)
  await using server = await BootServer.start()
  const { boots } = server
  const [one, two] = [1, 2].map(each => `00000000-0000-4000-8000-00000000000${each}`)
  await server.ask(`/boot.ipxe?uuid=${one}&mac=52-54-00-00-00-01`, { from: '127.0.0.70' })
  await server.ask(`/boot.ipxe?uuid=${two}&mac=52-54-00-00-00-02`, { from: '127.0.0.70' })
  boots.progress(one!, { stage: 'failed', because: 'it ran out of time' })
  t.is(boots.whose('127.0.0.70')?.host, two)
  const options = { clock: realClock, log: silentLog, onChanged: () => {} }
  const given = { index: () => undefined, versions: whole, macOf: async () => undefined }
  const kept = boots.all().map(boot => ({
    ...boot,
    stages: boot.stages.map(({ stage, wall }) => ({
      stage,
      wall: wall - (boot.uuid === one ? 1 : 0)
    }))
  }))
  const again = new Boots({ ...options, ...given }, kept)
  t.is(again.whose('127.0.0.70')?.host, two, 'also after a start')
})
