import type { Noun, Option } from '../command.ts'
import { fieldOption } from '../field-option.ts'
import { dryRunOption, labelOption, waitOptions } from '../options.ts'
import { deleteCommand, listCommand, newName, showCommand } from './common.ts'

const addressing: readonly Option[] = [
  fieldOption({ field: 'subnet.gateway', name: 'gateway' }),
  fieldOption({ field: 'subnet.dns', name: 'dns' })
]

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
        fieldOption({
          field: 'subnet.cidr',
          name: 'cidr',
          adds: 'Without one there is no subnet.',
          required: false
        }),
        ...addressing,
        fieldOption({ field: 'network.uplink', name: 'uplink', value: 'INTERFACE' }),
        fieldOption({ field: 'network.mtu', name: 'mtu' }),
        fieldOption({ field: 'network.nat', name: 'no-nat' }),
        fieldOption({ field: 'network.shared', name: 'shared' }),
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
        fieldOption({ field: 'subnet.network', name: 'network', names: 'network' }),
        fieldOption({ field: 'subnet.cidr', name: 'cidr' }),
        ...addressing,
        fieldOption({ field: 'subnet.first', name: 'first' }),
        fieldOption({ field: 'subnet.last', name: 'last' }),
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
