/** Written by `npm run docs` from shared/model: change that. */

/** The kind and the fields of its wish; `[]` after a name stands for every item of a list. */
export const subnet = {
  doc: 'An address range on a network.',
  plural: 'subnets',
  scope: 'tenant',
  creatable: true,
  spec: {
    network: { doc: 'Network that it is an address range of.', type: 'name', required: true },
    cidr: {
      doc: 'Address range, such as 10.66.0.0/24.',
      type: 'text',
      required: true,
      pattern: '^\\d{1,3}(\\.\\d{1,3}){3}/\\d{1,2}$'
    },
    gateway: {
      doc: "Hosts' own address in it; the first one when left out.",
      type: 'text',
      format: 'ipv4'
    },
    dns: {
      doc: 'Name servers to offer; the gateway when empty.',
      type: 'list',
      default: [],
      itemsMax: 4
    },
    'dns[]': { doc: 'A name server.', type: 'text', format: 'ipv4' },
    first: {
      doc: 'First address to give; the one after the gateway when left out.',
      type: 'text',
      format: 'ipv4'
    },
    last: {
      doc: 'Last address to give; the last but broadcast when left out.',
      type: 'text',
      format: 'ipv4'
    }
  }
} as const
