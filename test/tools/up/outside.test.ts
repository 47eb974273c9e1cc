import fs from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import test from 'ava'
import { layoutOf } from '../../../tools/up/layout.ts'
import { closeDevices, noteOutside, openDevice, readOutside } from '../../../tools/up/outside.ts'

async function makePlace(mode: number) {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'remuda-outside-'))
  const device = path.join(folder, 'device')
  await fs.writeFile(device, '')
  await fs.chmod(device, mode)
  const layout = layoutOf(folder)
  const modeNow = async () => (await fs.stat(device)).mode & 0o7777
  const remove = () => fs.rm(folder, { recursive: true, force: true })
  return { layout, device, modeNow, [Symbol.asyncDispose]: remove }
}

test('a device has its mode again after any number of openings', async t => {
  await using place = await makePlace(0o600)
  t.true(await openDevice(place.layout, place.device))
  t.is(await place.modeNow(), 0o666)
  t.false(await openDevice(place.layout, place.device))
  // Somebody closed it meanwhile; what it was at first is what counts.
  await fs.chmod(place.device, 0o640)
  t.true(await openDevice(place.layout, place.device))
  await closeDevices(place.layout)
  t.is(await place.modeNow(), 0o600)
})

test('a device that was open is left as it is', async t => {
  await using place = await makePlace(0o666)
  t.false(await openDevice(place.layout, place.device))
  await closeDevices(place.layout)
  t.is(await place.modeNow(), 0o666)
})

test('a device that is not there is no failure, before and after', async t => {
  await using place = await makePlace(0o600)
  t.false(await openDevice(place.layout, `${place.device}-none`))
  await openDevice(place.layout, place.device)
  await fs.rm(place.device)
  await t.notThrowsAsync(closeDevices(place.layout))
})

test('what was noted stays when more is noted, and a torn ledger is an empty one', async t => {
  await using place = await makePlace(0o600)
  await noteOutside(place.layout, { libvirtd: true, madeRun: true })
  await openDevice(place.layout, place.device)
  t.deepEqual(await readOutside(place.layout), {
    libvirtd: true,
    madeRun: true,
    modes: { [place.device]: 0o600 }
  })
  await fs.writeFile(place.layout.ledger, '{"libv')
  t.deepEqual(await readOutside(place.layout), {})
})
