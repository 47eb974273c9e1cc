/** Written by `npm run docs` from shared/model: change that. */

/** The kind and the fields of its wish; `[]` after a name stands for every item of a list. */
export const tenant = {
  doc: 'One of those who share the cloud; names are unique within a tenant.',
  plural: 'tenants',
  scope: 'cloud',
  creatable: true,
  spec: {
    description: { doc: 'Who this is, for people.', type: 'text', default: '', lengthMax: 1024 },
    preemption: {
      doc:
        'Whether its less important instances may be stopped for a more important one that ' +
        'has lost its host, must leave it or is to start there, and finds no place: never ' +
        '(as when left out), or its own.',
      type: 'text',
      words: ['never', 'own']
    },
    quota: { doc: 'The most that it may have; what it has already stays.', type: 'object' },
    'quota.instances': {
      doc: 'Instances, whether or not they run.',
      type: 'integer',
      unit: 'count',
      minimum: 0,
      maximum: 10000000
    },
    'quota.memoryMib': {
      doc: 'Memory of those that should run.',
      type: 'integer',
      unit: 'MiB',
      minimum: 0,
      maximum: 1099511627776
    },
    'quota.vcpus': {
      doc: 'Virtual processors of those that should run.',
      type: 'integer',
      unit: 'count',
      minimum: 0,
      maximum: 10000000
    },
    'quota.diskMib': {
      doc: 'Sizes of volumes.',
      type: 'integer',
      unit: 'MiB',
      minimum: 0,
      maximum: 1099511627776
    }
  }
} as const
