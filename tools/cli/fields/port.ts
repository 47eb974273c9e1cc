/** Written by `npm run docs` from shared/model: change that. */

/** The kind and the fields of its wish; `[]` after a name stands for every item of a list. */
export const port = {
  doc: "An instance's plug in a network, with its addresses; made with the instance.",
  plural: 'ports',
  scope: 'tenant',
  creatable: false,
  spec: {
    network: { doc: 'Network that it is in.', type: 'name', required: true },
    instance: { doc: 'Instance that it belongs to.', type: 'name' },
    address: { doc: 'A fixed address; one is chosen when left out.', type: 'text', format: 'ipv4' }
  }
} as const
