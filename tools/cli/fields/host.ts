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
    dedicated: {
      doc: 'The only tenants whose instances may be placed on it; left out: all.',
      type: 'list',
      itemsMax: 64
    },
    'dedicated[]': { doc: 'Tenant.', type: 'name' },
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
    courtesy: {
      doc: 'How it is asked to power off while its fence devices cut its power.',
      type: 'object'
    },
    'courtesy.address': {
      doc: 'Address or name of the device.',
      type: 'text',
      required: true,
      lengthMax: 253,
      pattern: '^[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?$'
    },
    'courtesy.port': {
      doc: 'TCP port of its SSH server.',
      type: 'integer',
      default: 22,
      minimum: 1,
      maximum: 65535
    },
    'courtesy.user': {
      doc: 'User who may switch it off.',
      type: 'text',
      default: 'root',
      lengthMax: 64,
      pattern: '^[^\\x00-\\x1f\\x7f]+$'
    },
    'courtesy.secret': {
      doc:
        'Name of the secret that is its password, or an OpenSSH private key: what is ' +
        'between its first and last line, in one line.',
      type: 'text',
      required: true,
      lengthMax: 63,
      pattern: '^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$'
    },
    'courtesy.hostKey': {
      doc: 'SHA-256 of its host key, as ssh-keygen -l shows it; with another one it is not used.',
      type: 'text',
      required: true,
      pattern: '^SHA256:[A-Za-z0-9+/]{43}$'
    },
    'courtesy.command': {
      doc: 'What is run there.',
      type: 'text',
      default: 'systemctl poweroff',
      lengthMax: 512,
      pattern: '^[^\\x00-\\x1f\\x7f]+$'
    },
    selfFence: {
      doc: 'How it fences itself when it is cut off; left out: it does not.',
      type: 'object'
    },
    'selfFence.limitMs': {
      doc:
        'Without a controller for so long nothing of it runs that others could start: it ' +
        'has ended that, or its hardware watchdog has reset it.',
      type: 'integer',
      unit: 'ms',
      required: true,
      minimum: 15000,
      maximum: 600000
    },
    image: {
      doc: 'Version of a host image, by its content: 16 hexadecimal digits.',
      type: 'text',
      pattern: '^[0-9a-f]{16}$'
    },
    boot: {
      doc: 'What it gets when it boots over the network; left out: the host image.',
      type: 'text',
      words: ['host', 'disk', 'nothing']
    }
  }
} as const
