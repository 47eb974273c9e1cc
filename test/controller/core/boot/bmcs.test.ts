import test from 'ava'
import type { FenceLevels } from '#shared/model/fence.ts'
import type { BmcFound } from '#shared/wire/bootd-question.ts'
import { bmcsShown } from '../../../../controller/core/boot/bmcs.ts'
import { sampleCloud } from '../../../world/sample-cloud.ts'

const at = '2026-01-01T00:00:00.000Z'
const bmc = (address: string, more: Partial<BmcFound> = {}): BmcFound => ({
  ...{ address, asf: false, ipmi: true, ipmi2: true, at },
  ...more
})

/** A cloud whose host h1 is fenced by two devices. */
function fencedCloud() {
  const cloud = sampleCloud()
  const { id, spec, labels } = cloud.host('h1')
  const devices = [
    { type: 'redfish' as const, url: 'https://10.0.5.7', user: 'admin', secret: 'bmc' },
    { type: 'pdu' as const }
  ]
  const fence = [{ devices: devices.slice(0, 1) }] as unknown as FenceLevels
  const host = { ...cloud.host('h1'), spec: { ...spec, fence } }
  cloud.commit({ changes: [{ op: 'put', resource: host }], decisions: [] })
  return { ...cloud, id, labels }
}

test('one that was found is told with the hosts that it fences', t => {
  const { view } = fencedCloud()
  const items = [bmc('10.0.5.12'), bmc('10.0.5.7', { product: 'iThing' })]
  const shown = bmcsShown(view, [{ bootd: 'c1', items }])
  t.deepEqual(
    shown.map(({ address, fences, bootds }) => [address, fences, bootds]),
    [
      ['10.0.5.7', ['h1'], ['c1']],
      ['10.0.5.12', [], ['c1']]
    ]
  )
})

test('one that fences a host is told of also where no scan has found it', t => {
  const [shown] = bmcsShown(fencedCloud().view, [])
  t.deepEqual(shown, {
    ...{ address: '10.0.5.7', asf: false, ipmi: false, ipmi2: false },
    ...{ bootds: [], fences: ['h1'] }
  })
})

test('of what several bootds have found the newest counts, and what only one knows stays', t => {
  const older = bmc('10.0.5.9', { mac: '52:54:00:00:00:09', product: 'old' })
  const newer = bmc('10.0.5.9', { product: 'new', at: '2026-01-02T00:00:00.000Z' })
  const { view } = sampleCloud()
  for (const said of [
    [older, newer],
    [newer, older]
  ]) {
    const [shown] = bmcsShown(
      view,
      said.map((item, index) => ({ bootd: `c${index}`, items: [item] }))
    )
    t.like(shown, { product: 'new', mac: '52:54:00:00:00:09', bootds: ['c0', 'c1'] })
  }
})

test('what it speaks to one bootd it speaks, whichever has heard it last', t => {
  const one = bmc('10.0.5.9', { asf: true })
  const at = '2026-01-02T00:00:00.000Z'
  const other = bmc('10.0.5.9', { ipmi: false, ipmi2: false, redfish: '1.9.0', at })
  const { view } = sampleCloud()
  for (const said of [
    [one, other],
    [other, one]
  ]) {
    const [shown] = bmcsShown(
      view,
      said.map((item, index) => ({ bootd: `c${index}`, items: [item] }))
    )
    t.like(shown, { asf: true, ipmi: true, ipmi2: true, redfish: '1.9.0', at })
  }
})
