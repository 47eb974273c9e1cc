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
    },
    locks: {
      doc:
        'How a volume is locked while a VM uses it: by the virtlockd of its host, or not at ' +
        'all, as when left out. Hosts that cannot do it do not use the pool.',
      type: 'text',
      words: ['none', 'virtlockd']
    },
    lockFolder: {
      doc:
        'Absolute path of the folder that all hosts see and in which their virtlockd holds ' +
        'the locks: file_lockspace_dir of qemu-lockd.conf; the volumes themselves when left ' +
        'out.',
      type: 'text',
      lengthMax: 1024,
      pattern: '^/[^\\0]*$'
    },
    heartbeats: {
      doc:
        'Whether each host writes a heartbeat to it every second, by which the others see ' +
        'that it lives: 512 bytes in .remuda/heartbeats. Of shared pools alone; as when ' +
        'left out: yes.',
      type: 'boolean'
    }
  }
} as const
