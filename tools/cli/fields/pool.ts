/** Written by `npm run docs` from shared/model: change that. */

/** The kind and the fields of its wish; `[]` after a name stands for every item of a list. */
export const pool = {
  doc: 'Where volumes live.',
  plural: 'pools',
  scope: 'cloud',
  creatable: true,
  spec: {
    driver: {
      doc: 'How volumes are kept: directory, as files below a path.',
      type: 'text',
      words: ['directory'],
      default: 'directory'
    },
    path: {
      doc: "Absolute path on the hosts; a folder in the agent's state when left out.",
      type: 'text',
      lengthMax: 1024,
      pattern: '^/[^\\0]*$'
    },
    shared: {
      doc: 'Whether all hosts see the same volumes at this path.',
      type: 'boolean',
      default: false
    }
  }
} as const
