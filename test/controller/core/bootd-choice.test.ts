import test from 'ava'
import { chooseBootd } from '../../../controller/core/bootd-choice.ts'
import { sampleCloud } from '../../world/sample-cloud.ts'

const { view } = sampleCloud()
const now = 10_000
const bootds = ['c1', 'c2', 'c3']

for (const [title, silent, unable, active, chosen] of [
  ['that of its own machine is chosen first', [], [], undefined, 'c2'],
  ['the one in use stays', [], [], 'c3', 'c3'],
  ['one that is silent is left', ['c3'], [], 'c3', 'c2'],
  ['one that cannot take orders is left', [], ['c3'], 'c3', 'c2'],
  ['one that cannot take orders is not begun with', [], ['c2'], undefined, 'c1'],
  ['one that cannot take orders is better than none', ['c1', 'c2'], ['c3'], 'c3', 'c3'],
  ['where none can take orders the one in use stays', [], bootds, 'c3', 'c3'],
  ['where all are silent there is none', bootds, [], 'c3', undefined]
] as const) {
  test(`of bootds ${title}`, t => {
    const heardAt = new Map(bootds.map(name => [name, silent.includes(name as never) ? 0 : now]))
    const given = { bootds, heardAt, unable: new Set<string>(unable), active, own: 'c2', now }
    t.is(chooseBootd(view, given), chosen)
  })
}
