import type { Option } from '../command.ts'

import { fieldOption } from '../field-option.ts'

/** What an instance asks of its host, and of those beside it. */
export const placingOptions: readonly Option[] = [
  {
    name: 'apart',
    type: 'text',
    field: 'instance.affinity',
    value: 'GROUP',
    repeatable: true,
    doc:
      'Group whose members are kept apart: web, web@rack, web@rack:2 for at most two on one ' +
      'rack; ~web: as far as there is room.'
  },
  {
    name: 'with',
    type: 'text',
    field: 'instance.affinity',
    value: 'GROUP',
    repeatable: true,
    doc: 'Group whose members are kept together, on one host; app@rack: on one rack.'
  },
  {
    name: 'host-label',
    type: 'pair',
    field: 'instance.hostLabels',
    value: 'KEY=VALUE',
    repeatable: true,
    doc: 'Label that its host must have.'
  },
  fieldOption({ field: 'instance.cpuFeatures', name: 'cpu-feature', value: 'FLAG' }),
  fieldOption({ field: 'instance.acceleration', name: 'acceleration', value: 'WORD' })
]
