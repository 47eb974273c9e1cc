import type { Noun, Option } from '../command.ts'
import { dryRunOption, labelOption, waitOptions } from '../options.ts'
import { deleteCommand, listCommand, newName, showCommand } from './common.ts'

const gateway: Option = {
  name: 'gateway',
  type: 'text',
  value: 'IP',
  doc: "The hosts' own address in it.",
  default: 'the first one'
}
const dns: Option = {
  name: 'dns',
  type: 'text',
  value: 'IP',
  repeatable: true,
  doc: 'Name server to offer.',
  default: 'the gateway'
}

/** Commands of networks. */
export const network: Noun = {
  noun: 'network',
  aliases: ['networks', 'net'],
  doc: 'Segments in which instances reach each other directly.',
  commands: [
    {
      noun: 'network',
      verb: 'create',
      aliases: ['add'],
      doc: 'Creates a network, and with --cidr a subnet of the same name on it.',
      positionals: [newName('network')],
      options: [
        {
          name: 'cidr',
          type: 'text',
          value: 'CIDR',
          doc: 'Address range of its subnet, such as 10.66.0.0/24.'
        },
        gateway,
        dns,
        {
          name: 'uplink',
          type: 'text',
          value: 'INTERFACE',
          doc: "Hosts' interface that it reaches the outside by.",
          default: 'none: host only'
        },
        {
          name: 'mtu',
          type: 'count',
          value: 'COUNT',
          doc: 'Largest packet. Unit: bytes.',
          default: '1500'
        },
        {
          name: 'no-nat',
          type: 'flag',
          doc: "Instances do not reach the outside under their host's address."
        },
        { name: 'shared', type: 'flag', doc: 'Lets other tenants plug in.' },
        labelOption,
        dryRunOption
      ],
      examples: [
        { line: 'remuda network create backend --cidr 10.80.0.0/24', doc: 'ready to use' },
        { line: 'remuda network create office --uplink eth1 --no-nat', doc: 'bridged to a wire' }
      ],
      run: () => import('../run/network.ts').then(module => module.createNetwork)
    },
    listCommand('network'),
    showCommand('network', 'default'),
    deleteCommand('network', { example: 'backend' })
  ]
}

/** Commands of subnets. */
export const subnet: Noun = {
  noun: 'subnet',
  aliases: ['subnets'],
  doc: 'Address ranges on networks.',
  commands: [
    {
      noun: 'subnet',
      verb: 'create',
      aliases: ['add'],
      doc: 'Creates a subnet on a network.',
      positionals: [newName('subnet')],
      options: [
        {
          name: 'network',
          type: 'text',
          value: 'NAME',
          names: 'network',
          required: true,
          doc: 'Network that it is an address range of.'
        },
        {
          name: 'cidr',
          type: 'text',
          value: 'CIDR',
          required: true,
          doc: 'Address range, such as 10.66.0.0/24.'
        },
        gateway,
        dns,
        {
          name: 'first',
          type: 'text',
          value: 'IP',
          doc: 'First address to give.',
          default: 'the one after the gateway'
        },
        {
          name: 'last',
          type: 'text',
          value: 'IP',
          doc: 'Last address to give.',
          default: 'the last but broadcast'
        },
        labelOption,
        dryRunOption,
        ...waitOptions
      ],
      examples: [
        {
          line: 'remuda subnet create backend --network backend --cidr 10.80.0.0/24',
          doc: '253 addresses'
        }
      ],
      run: () => import('../run/network.ts').then(module => module.createSubnet)
    },
    listCommand('subnet'),
    showCommand('subnet', 'default'),
    deleteCommand('subnet', { example: 'backend' })
  ]
}

/** Commands of ports. */
export const port: Noun = {
  noun: 'port',
  aliases: ['ports'],
  doc: "Instances' plugs in networks; made and deleted with their instance.",
  commands: [listCommand('port'), showCommand('port', 'web-0')]
}
