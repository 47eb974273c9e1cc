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
    }
  }
} as const
