/** bootd beside other servers that give addresses; and logs of machines, over a network. */
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

test('of two boot services that find each other the one with the higher address ends', async t => {
  t.timeout(2 * patienceMs)
  await using one = await Segment.make()
  await using other = await Segment.make({}, '10.77.0.20')
  await using machine = await one.machine(known.macs[0])
  const both = [one, other]
  for (const each of both) each.start('--boot-mode', 'full', '--boot-range', range)
  for (const each of both) await each.logged(/dnsmasq of network boot runs/)
  await one.join(other)
  await other.logged(/another boot service does \(it is at 10\.77\.0\.1, lower than 10\.77\.0\.20/)
  await t.throwsAsync(async () => process.kill(await other.dnsmasq(), 0), undefined, 'it is gone')
  t.true(process.kill(await one.dnsmasq(), 0), 'and the other one serves on')
  t.truthy(await machine.boot('bios', 20))
})

test('a range that is used up is told, with its size', async t => {
  t.timeout(patienceMs)
  await using segment = await Segment.make()
  await using machine = await segment.machine(known.macs[0])
  await using late = await segment.machine()
  segment.start('--boot-mode', 'full', '--boot-range', '10.77.0.50-10.77.0.50')
  await segment.logged(/dnsmasq of network boot runs/)
  t.is((await machine.boot('bios', 20))?.address, '10.77.0.50')
  t.is(await late.boot('bios', 2), undefined)
  await segment.logged(
    /machines get no address: all 1 of 10\.77\.0\.50-10\.77\.0\.50 are given out/
  )
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
