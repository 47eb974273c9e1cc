import type { Noun } from '../command.ts'

/** Baseboard controllers, by which hosts are fenced. */
export const bmc: Noun = {
  noun: 'bmc',
  doc: 'Baseboard controllers (IPMI, Redfish) on the networks that bootds reach.',
  commands: [
    {
      noun: 'bmc',
      verb: 'list',
      doc: 'Lists those that were found or are set to fence a host.',
      details: ['One that was found and fences nobody may be that of a host without a device.'],
      examples: [{ line: 'remuda bmc list', doc: 'which is not in use yet?' }],
      run: () => import('../run/bmc.ts').then(module => module.listBmcs)
    },
    {
      noun: 'bmc',
      verb: 'scan',
      doc: 'Has bootds look for baseboard controllers in a range of addresses.',
      details: [
        'Each address gets two packets at UDP 623 and is asked for its Redfish service at TCP ' +
          '443, without a password; at most 4096 addresses, 640 a second.'
      ],
      positionals: [{ name: 'RANGE', doc: 'Such as 10.0.5.0/24.' }],
      options: [
        { name: 'no-wait', type: 'flag', doc: 'Returns as soon as it has begun.' },
        {
          name: 'timeout',
          type: 'duration',
          value: 'DURATION',
          doc: 'How long to wait for the end. Unit: s unless given.',
          default: '5m'
        }
      ],
      examples: [{ line: 'remuda bmc scan 10.0.5.0/24', doc: 'before fence devices are set' }],
      run: () => import('../run/bmc.ts').then(module => module.scanBmcs)
    }
  ]
}
