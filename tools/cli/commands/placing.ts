import type { Option } from '../command.ts'

import { fieldOption } from '../field-option.ts'

/** Devices of the host, as `instance create` and `place` take them. */
export const deviceOption: Option = {
  name: 'device',
  type: 'text',
  field: 'instance.devices',
  value: 'KIND',
  repeatable: true,
  doc:
    'Device of its host that a VM has for itself: gpu, or gpu:2 for two. With one it goes to ' +
    'another host only shut down.'
}

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
  fieldOption({ field: 'instance.architecture', name: 'architecture', value: 'WORD' }),
  fieldOption({ field: 'instance.acceleration', name: 'acceleration', value: 'WORD' }),
  fieldOption({ field: 'instance.hugePages', name: 'huge-pages', value: 'SIZE' }),
  fieldOption({ field: 'instance.numa', name: 'numa', value: 'WORD' }),
  deviceOption
]
