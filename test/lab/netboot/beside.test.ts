/** bootd beside another server that gives the addresses; and logs of machines, over a network. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { isInstalled } from '#shared/process.ts'
import { machine as known } from '../../bootd/boot/plans.ts'
import { foreignServer } from './foreign-server.ts'
import { ownAddress, range, Segment } from './segment.ts'

const patienceMs = 120_000

test('as a proxy bootd serves scripts, and another server gives the addresses', async t => {
  t.timeout(patienceMs)
  await using segment = await Segment.make()
  await using other = await segment.machine()
  await using machine = await segment.machine(known.macs[0])
  await using _ = await foreignServer(segment, other)
  segment.start('--boot-mode', 'proxy')
  await segment.logged(/dnsmasq of network boot runs/)
  let given = await machine.boot('system', 1)
  for (; given === undefined; given = await machine.boot('system', 1)) await sleep(50)
  t.regex(given.address, /^10\.77\.0\.1[678]\d$/)
  t.notRegex(segment.log, /another DHCP server answers/, 'it is to be there')
  const script = await machine.fetch(`/boot.ipxe?uuid=${known.uuid}&mac=${known.macs[0]}`)
  t.regex(script, /starts image/)
})

test('what a machine says after it has booted is kept on the disk of bootd', async t => {
  t.timeout(patienceMs)
  if (!isInstalled('logger')) {
    t.pass('logger is not installed')
    return
  }
  await using segment = await Segment.make()
  await using machine = await segment.machine(known.macs[0])
  segment.start('--boot-mode', 'full', '--boot-range', range)
  await segment.logged(/dnsmasq of network boot runs/)
  t.truthy(await machine.boot('bios', 20))
  await machine.fetch(`/boot.ipxe?uuid=${known.uuid}&mac=${known.macs[0]}`)
  const logs = join(segment.state, 'bootd/logs', known.uuid!)
  const kept = async (): Promise<string> => {
    const [name] = await readdir(logs).catch(() => [])
    return name === undefined ? '' : await readFile(join(logs, name), 'utf8')
  }
  const words = ['--udp', '--rfc5424=notime,notq,nohost', '--tag', 'remuda', 'its last words']
  await machine.client.netns.run('logger', ['--server', ownAddress, '--port', '7480', ...words])
  while (!(await kept()).includes('its last words')) await sleep(50)
  t.regex(await kept(), /\tjournal\t-\tits last words\n$/)
})
