/** Written by `npm run docs` from shared/model: change that. */

/** The kind and the fields of its wish; `[]` after a name stands for every item of a list. */
export const volume = {
  doc: 'Block storage of an instance, or the root directory of a container.',
  plural: 'volumes',
  scope: 'tenant',
  creatable: true,
  spec: {
    pool: { doc: 'Pool that it lives in.', type: 'name', default: 'local' },
    format: {
      doc: 'qcow2 or raw for VMs; tree, a directory, for the root of a container.',
      type: 'text',
      words: ['qcow2', 'raw', 'tree'],
      default: 'qcow2'
    },
    sizeMib: {
      doc: 'Size; may grow, never shrink.',
      type: 'integer',
      unit: 'MiB',
      required: true,
      minimum: 1,
      maximum: 67108864
    },
    image: { doc: 'Image that it starts as a copy of.', type: 'name' }
  }
} as const
