import type { Command, Noun } from '../command.ts'
import { dryRunOption, yesOption } from '../options.ts'
import { nameOfOne } from './common.ts'

const forceOption = {
  name: 'force',
  type: 'flag',
  doc: 'Also of a host that is in service: it is taken for dead, and its instances start elsewhere.'
} as const

const switchCommand = (verb: 'on' | 'off' | 'cycle', doc: string): Command => ({
  noun: 'power',
  verb,
  doc,
  details: [
    'Through the devices that would fence it (remuda host fence show); what counts is what they ' +
      'read, not what they answer.'
  ],
  positionals: [nameOfOne('host')],
  options: [
    ...(verb === 'on' ? [] : [forceOption, yesOption, dryRunOption]),
    { name: 'no-wait', type: 'flag', doc: 'Returns as soon as the wish is recorded.' },
    {
      name: 'timeout',
      type: 'duration',
      value: 'DURATION',
      doc: 'How long to wait for the end. Unit: s unless given.',
      default: '5m'
    }
  ],
  examples: [{ line: `remuda power ${verb} h7`, doc: 'and wait until it is read back' }],
  run: () => import('../run/power.ts').then(module => module.switchPower)
})

/** The power of hosts. */
export const power: Noun = {
  noun: 'power',
  doc: 'The power of hosts, through the devices that fence them.',
  commands: [
    {
      noun: 'power',
      verb: 'status',
      doc: 'Shows what the devices of each host read.',
      positionals: [{ name: 'HOST', doc: 'Only this one.', optional: true, names: 'host' }],
      examples: [{ line: 'remuda power status', doc: 'which are on' }],
      run: () => import('../run/power.ts').then(module => module.showPower)
    },
    {
      noun: 'power',
      verb: 'console',
      doc: "Attaches this terminal to the serial line of a host's machine.",
      details: [
        'Through the first of its fence devices that speaks IPMI (serial over LAN), whatever ' +
          'runs on the machine: its firmware, its kernel, or nothing. It lets in one at a time.',
        'Ctrl-] followed by q or . leaves. Ctrl-^ is not passed on.'
      ],
      positionals: [nameOfOne('host')],
      options: [
        { name: 'take', type: 'flag', doc: 'Takes it from whoever has it now.' },
        {
          name: 'linger',
          type: 'duration',
          value: 'DURATION',
          doc: 'How long to go on reading once piped input has ended. Unit: s unless given.',
          default: '1s'
        }
      ],
      examples: [{ line: 'remuda power console h7', doc: 'why does it not boot?' }],
      run: () => import('../run/console.ts').then(module => module.openMachine)
    },
    switchCommand('on', 'Gives a host its power.'),
    switchCommand('off', 'Cuts the power of a host, which stays off until it is switched on.'),
    switchCommand('cycle', 'Cuts the power of a host, proven, and gives it back.')
  ]
}
