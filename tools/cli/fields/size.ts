/** Written by `npm run docs` from shared/model: change that. */

/** The kind and the fields of its wish; `[]` after a name stands for every item of a list. */
export const size = {
  doc: 'A named shape: so many processors, so much memory.',
  plural: 'sizes',
  scope: 'cloud',
  creatable: true,
  spec: {
    vcpus: {
      doc: 'Virtual processors.',
      type: 'integer',
      unit: 'count',
      required: true,
      minimum: 1,
      maximum: 512
    },
    memoryMib: {
      doc: 'Memory.',
      type: 'integer',
      unit: 'MiB',
      required: true,
      minimum: 16,
      maximum: 16777216
    }
  }
} as const
