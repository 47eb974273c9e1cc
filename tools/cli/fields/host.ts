/** Written by `npm run docs` from shared/model: change that. */

/** The kind and the fields of its wish; `[]` after a name stands for every item of a list. */
export const host = {
  doc: 'A physical machine that runs an agent; it joins by itself.',
  plural: 'hosts',
  scope: 'cloud',
  creatable: false,
  spec: {
    schedulable: {
      doc: 'Whether new instances may be placed on it.',
      type: 'boolean',
      default: true
    },
    reservedMib: {
      doc: 'Memory that is kept for the host itself.',
      type: 'integer',
      unit: 'MiB',
      required: true,
      minimum: 0,
      maximum: 1048576
    },
    vcpusPerThread: {
      doc: 'Virtual processors that one hardware thread may carry.',
      type: 'number',
      unit: 'ratio',
      default: 4,
      minimum: 0.1,
      maximum: 64
    },
    fence: { doc: 'Levels, in the order in which they are tried.', type: 'list', itemsMax: 4 },
    'fence[].devices': {
      doc: 'Devices that must all confirm.',
      type: 'list',
      required: true,
      itemsMax: 4
    },
    'fence[].devices[]': {
      doc: 'A device by its type: ipmi, redfish, agent, pdu or lab.',
      type: 'object'
    },
    afterFence: {
      doc: 'Whether it is switched on again once its instances are safe; left out: on.',
      type: 'text',
      words: ['on', 'off']
    },
    selfFence: {
      doc: 'How it fences itself when it is cut off; left out: it does not.',
      type: 'object'
    },
    'selfFence.limitMs': {
      doc:
        'Without a controller for so long it ends what others could start, or its hardware ' +
        'watchdog resets it.',
      type: 'integer',
      unit: 'ms',
      required: true,
      minimum: 15000,
      maximum: 600000
    }
  }
} as const
