/** The image with drivers and firmware for metal boots, and finds what servers are made of. */
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { readyHostImage } from '../../../tools/host-image/ready.ts'
import { tell } from '../scene.ts'
import { BootedMachine } from './booted-machine.ts'
import { ImageServer } from './image-server.ts'
import { bootMsMax, freePort, inside, makeKey, until, untilIn } from './inside.ts'

const uuid = '6ba7b813-9dad-41d1-80b4-00c04fd430c8'

/** Controllers of disks as servers have them, each with a disk of its own size. */
const controllers = {
  megaraid_sas: ['megasas', 32],
  vmw_pvscsi: ['pvscsi', 33],
  nvme: ['nvme', 34],
  ahci: ['ahci', 35]
} as const
/** Cards beside that by which it boots, with their drivers. */
const cards = { e1000e: 'e1000e', vmxnet3: 'vmxnet3', rtl8139: '8139cp' } as const

test('the image for metal boots, and finds disks and cards of servers', async t => {
  t.timeout(3 * bootMsMax)
  const { folder, manifest } = await readyHostImage({ profile: 'full', progress: tell })
  const own = await mkdtemp(join(tmpdir(), 'remuda-metal-'))
  t.teardown(() => rm(own, { recursive: true, force: true }))
  const { key, sshKey } = await makeKey(own)
  await using server = await ImageServer.open(folder)
  const { version } = manifest
  server.given = { name: 'm1', uuid, profile: 'rescue', version, sshKeys: [sshKey] }
  const disks: string[] = []
  for (const [driver, [device, mib]] of Object.entries(controllers)) {
    const file = join(own, `${driver}.img`)
    await writeFile(file, '')
    await truncate(file, mib << 20)
    disks.push('-drive', `if=none,id=${driver},format=raw,file=${file}`, '-device')
    if (device === 'nvme') disks.push(`nvme,drive=${driver},serial=one`)
    else if (device === 'ahci')
      disks.push('ahci,id=sata', '-device', `ide-hd,drive=${driver},bus=sata.0`)
    else
      disks.push(
        `${device},id=of-${driver}`,
        '-device',
        `scsi-hd,drive=${driver},bus=of-${driver}.0`
      )
  }
  const nets = Object.keys(cards).flatMap((card, index) => [
    ...['-netdev', `hubport,id=n${index},hubid=1`],
    ...['-device', `${card},netdev=n${index},romfile=`]
  ])
  const port = await freePort()
  await using machine = BootedMachine.start({
    ...{ image: folder, version, port: server.port, uuid, sshPort: port },
    options: ['remuda.profile=rescue'],
    devices: [...disks, ...nets]
  })
  const entry = { key, port }
  await untilIn(machine, entry)
  const wanted = Object.values(controllers).map(([, mib]) => `${mib << 20}`)
  // Some controllers look for their disks long after their drivers are there.
  await until(`disks of ${wanted.join(', ')} bytes`, async () => {
    const sizes = await inside('lsblk -bdno SIZE', entry)
    return wanted.every(size => sizes.some(each => each.trim() === size))
  })
  const drivers = await inside(
    'for each in /sys/class/net/*/device/driver; do basename $(readlink $each); done',
    entry
  )
  t.deepEqual(
    new Set(drivers.filter(driver => driver !== 'virtio_net')),
    new Set<string>(Object.values(cards))
  )
  const firmware = await inside('find /usr/lib/firmware -type f | wc -l', entry)
  t.true(Number(firmware[0]) > 50, firmware[0])
  const bytes = Object.values(manifest.files).reduce((all, file) => all + file.bytes, 0)
  tell(`the image for metal has ${Math.round(bytes / 2 ** 20)} MiB`)
})
