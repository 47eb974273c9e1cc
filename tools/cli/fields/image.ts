/** Written by `npm run docs` from shared/model: change that. */

/** The kind and the fields of its wish; `[]` after a name stands for every item of a list. */
export const image = {
  doc: 'An immutable master copy that volumes are made from.',
  plural: 'images',
  scope: 'tenant',
  creatable: true,
  spec: {
    type: {
      doc: 'What can start from it.',
      type: 'text',
      words: ['vm', 'container'],
      default: 'vm'
    },
    format: {
      doc: 'qcow2 or raw: a bootable disk; tar (also gzip, zstd): a root file system.',
      type: 'text',
      words: ['qcow2', 'raw', 'tar'],
      default: 'qcow2'
    },
    architecture: {
      doc: 'Which processors it is for; left out: x86_64, unless an instance says another.',
      type: 'text',
      words: ['x86_64', 'aarch64']
    },
    source: {
      doc: 'Where the controller fetches it; without one the content is uploaded.',
      type: 'text',
      lengthMax: 2048,
      pattern: '^https?://'
    },
    sha256: {
      doc: 'What the content must hash to; anything else is refused.',
      type: 'text',
      pattern: '^[0-9a-f]{64}$'
    },
    minMemoryMib: {
      doc: 'Least memory that an instance of it needs; with less it would not start.',
      type: 'integer',
      unit: 'MiB',
      minimum: 0,
      maximum: 16777216
    },
    shared: { doc: 'Whether other tenants may start from it.', type: 'boolean', default: false }
  }
} as const
