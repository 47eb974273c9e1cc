/** The power switch of a lab's host, with real power cuts behind it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { realClock } from '#shared/clock.ts'
import { exists } from '#shared/files.ts'
import { silentLog } from '#shared/log.ts'
import type { FenceOrder } from '#shared/wire/fence.ts'
import { deadlines } from '../../bootd/io/fence/open.ts'
import { Fencer } from '../../bootd/io/fencer.ts'
import { folderOf } from '../../tools/lab/folder.ts'
import { openLab } from '../../tools/lab/open.ts'
import { eventually } from './cloud/waiting.ts'

test('a frozen host is fenced by the switch of the lab, proven off, and brought back', async t => {
  t.timeout(180_000)
  const folder = await mkdtemp(join(tmpdir(), 'remuda-lab-'))
  const place = await mkdtemp(join(tmpdir(), 'remuda-fencer-'))
  t.teardown(() => rm(place, { recursive: true, force: true }))
  const wish = { folder, hosts: 2, solo: true, outside: false, isFurnished: false, isBound: true }
  await using lab = await openLab(wish)
  const h2 = async () => (await lab.status()).hosts.find(({ name }) => name === 'h2')!
  const before = await h2()
  await using fencer = await Fencer.open({
    epochFile: join(place, 'epoch.json'),
    clock: realClock,
    silenceMsMax: 600_000,
    log: silentLog,
    deadlines: { ...deadlines, lab: 90_000 },
    onChanged: () => {}
  })
  const order = (want: FenceOrder['want'], fence: string): FenceOrder => ({
    ...{ host: 'uuid-2', name: 'h2', want, fence, epoch: 1, secrets: {} },
    levels: [{ devices: [{ type: 'lab', socket: folderOf(folder).socket, host: 'h2' }] }]
  })
  const proven = (what: string) =>
    eventually(what, async () => {
      const [state] = fencer.reports()
      return state?.phase === 'proven' ? state.verdict : undefined
    })

  await lab.pause('h2')
  await fencer.want([order('off', 'f-1')])
  const off = await proven('h2 is proven off')
  t.like(off, { verdict: 'off-confirmed', fence: 'f-1', epoch: 1 })
  t.log(off.because)
  t.false(await exists(`/proc/${before.pid}/root/`))
  t.is((await h2()).power, 'off')

  await fencer.want([order('on', 'r-1')])
  t.like(await proven('h2 is proven on'), { verdict: 'on-confirmed', fence: 'r-1' })
  t.not((await h2()).bootId, before.bootId)
})
