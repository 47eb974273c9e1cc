/** Written by `npm run docs` from shared/model: change that. */

/** The kind and the fields of its wish; `[]` after a name stands for every item of a list. */
export const network = {
  doc: 'A segment in which instances reach each other directly.',
  plural: 'networks',
  scope: 'tenant',
  creatable: true,
  spec: {
    driver: {
      doc: 'flat: one bridge on each host.',
      type: 'text',
      words: ['flat'],
      default: 'flat'
    },
    mtu: {
      doc: 'Largest packet.',
      type: 'integer',
      unit: 'bytes',
      default: 1500,
      minimum: 576,
      maximum: 9216
    },
    uplink: {
      doc: "Host's interface that the bridge reaches the outside by; none: host only.",
      type: 'text',
      pattern: '^[A-Za-z0-9._-]{1,15}$'
    },
    nat: {
      doc: "Whether instances reach the outside under their host's address.",
      type: 'boolean',
      default: true
    },
    shared: { doc: 'Whether other tenants may plug in.', type: 'boolean', default: false }
  }
} as const
