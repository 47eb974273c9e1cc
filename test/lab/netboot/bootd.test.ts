import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { tokenOf } from '../../bootd/boot/boot-server.ts'
import { machine as known } from '../../bootd/boot/plans.ts'
import { foreignServer } from './foreign-server.ts'
import { throwPackets } from './packets.ts'
import { type firmwares, ownAddress, range, Segment } from './segment.ts'

const full = ['--boot-mode', 'full', '--boot-range', range]
const url = `http://${ownAddress}:7480`
const first: Readonly<Record<keyof typeof firmwares, string>> = {
  bios: 'undionly.kpxe',
  uefi7: 'snponly.efi',
  uefi9: 'snponly.efi',
  http: `${url}/firmware/snponly.efi`,
  arm64: 'snponly-arm64.efi',
  httpArm64: `${url}/firmware/snponly-arm64.efi`,
  ipxe: `${url}/boot.ipxe`,
  system: ''
}

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test('machines of every kind boot from a plan that was kept, with no controller there', async t => {
  await using segment = await Segment.make()
  segment.start(...full)
  await segment.logged(/dnsmasq of network boot runs/)
  await segment.logged(/image version is whole/)
  await using machine = await segment.machine(known.macs[0])
  await using thief = await segment.machine()

  const addresses = new Set<string>()
  for (const [firmware, file] of Object.entries(first)) {
    const given = await machine.boot(firmware as keyof typeof firmwares)
    t.is(given?.file, file, firmware)
    addresses.add(given?.address ?? 'none')
  }
  t.is(addresses.size, 1, 'a machine has one address, whoever asks')

  const loader = join(segment.folder, 'loader')
  await machine.client.netns.run('busybox', [
    'tftp',
    '-g',
    '-r',
    first.bios,
    '-l',
    loader,
    ownAddress
  ])
  t.deepEqual(await readFile(loader), await readFile('/usr/lib/ipxe/undionly.kpxe'))

  const script = await machine.fetch(
    `/boot.ipxe?uuid=${known.uuid}&mac=${known.macs[0]}&platform=efi`
  )
  const token = tokenOf(script)
  t.regex(script, /starts image/)
  t.is(
    await machine.fetch(`/images/${segment.version}/initrd?token=${token}`),
    'initrd'.repeat(100)
  )
  t.true(await thief.boot('system').then(given => given !== undefined))
  t.regex(await thief.fetch(`/v1/boots/${token}/join`), /403/)
  t.regex(await machine.fetch(`/v1/boots/${token}/join`), /"name":"host-1"/)
  t.is(await machine.fetch(`/v1/boots/${token}/progress`, 'stage=joined'), '')
  const state = async () => (await segment.boots()).find(({ name }) => name === 'host-1')
  while ((await state())?.['stage'] !== 'joined') await sleep(50)
  t.like(await state(), { uuid: known.uuid, failures: 0, version: segment.version })

  // Packets that nobody honest sends take all addresses at most; packets.ts throws more of them.
  const pid = await segment.dnsmasq()
  const given = await machine.boot('bios')
  await throwPackets(machine, { own: given?.address ?? '', count: 1_000, seed: 5 })
  t.is((await machine.boot('bios'))?.address, given?.address)
  t.is(await segment.dnsmasq(), pid)

  // What crashes dnsmasq 2.90 where a host with a tag has a lease does not harm what we run.
  process.kill(pid, 'SIGHUP')
  t.is((await machine.boot('bios'))?.file, first.bios)
  t.true(isAlive(pid))
  // And when it ends by itself it is started again.
  process.kill(pid, 'SIGKILL')
  await segment.logged(/dnsmasq of network boot runs.*dnsmasq of network boot runs/s)
  t.is((await machine.boot('uefi7'))?.file, first.uefi7)
  t.not(await segment.dnsmasq(), pid)
  const last = await segment.dnsmasq()
  await segment.stop()
  t.false(isAlive(last), 'it ends with bootd')
})

test('bootd gives no addresses beside another server, and does once that is gone', async t => {
  await using segment = await Segment.make()
  await using other = await segment.machine()
  await using machine = await segment.machine()
  {
    await using _ = await foreignServer(segment, other)
    while ((await machine.boot('system', 1)) === undefined) await sleep(50)
    segment.start(...full)
    await segment.logged(/another DHCP server answers","address":"10\.77\.0\.9/)
    await segment.logged(/cannot give out addresses: another DHCP server does/)
    t.notRegex(segment.log, /dnsmasq of network boot runs/)
  }
  await segment.logged(/dnsmasq of network boot runs/)
  t.is((await machine.boot('bios'))?.file, first.bios)
})

test('bootd serves again where its interface has lost its address, and says so', async t => {
  await using segment = await Segment.make()
  await using machine = await segment.machine()
  segment.start(...full, '--boot-address', `${ownAddress}/24`)
  await segment.logged(/dnsmasq of network boot runs/)
  await segment.host.run('ip', ['address', 'delete', `${ownAddress}/24`, 'dev', 'br0'])
  await segment.logged(/interface br0 has lost its address 10\.77\.0\.1/)
  await segment.logged(/serves boots[\s\S]*serves boots/)
  t.is((await machine.boot('bios'))?.file, first.bios)
  t.regex(await machine.fetch(`/boot.ipxe?uuid=${known.uuid}`), /^#!ipxe/)
})
