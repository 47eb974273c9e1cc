import type { Noun } from '../command.ts'
import { dryRunOption, yesOption } from '../options.ts'
import { hostBootCommands } from './boot.ts'
import { deleteCommand, listCommand, nameOfOne, showCommand } from './common.ts'
import { fenceCommands } from './fence.ts'
import { dutyCommands } from './host-duty.ts'
import { hostSet } from './host-set.ts'

/** Commands of hosts. */
export const host: Noun = {
  noun: 'host',
  aliases: ['hosts'],
  doc: 'Physical machines that run an agent; they join by themselves.',
  commands: [
    listCommand('host'),
    showCommand('host', 'h1'),
    {
      noun: 'host',
      verb: 'approve',
      doc: 'Lets a host that asked to join into the cloud.',
      details: ['A host that is not known yet waits in phase "pending" until it is approved.'],
      positionals: [nameOfOne('host')],
      examples: [{ line: 'remuda host approve h2', doc: 'from now on it may carry instances' }],
      run: () => import('../run/host.ts').then(module => module.approveHost)
    },
    {
      noun: 'host',
      verb: 'confirm-off',
      doc: 'Says that a host is off, so that its instances start elsewhere; asks for its name.',
      details: [
        'For a host that is dead and that no device can prove off. Look at it, or pull its plug: ' +
          'if it still runs, its instances run twice and destroy their volumes. It is refused ' +
          'while the host is heard.'
      ],
      positionals: [nameOfOne('host')],
      options: [yesOption, dryRunOption],
      examples: [
        { line: 'remuda host confirm-off h2 --dry-run', doc: 'what would start elsewhere' },
        { line: 'remuda host confirm-off h2', doc: 'asks first' }
      ],
      run: () => import('../run/host-off.ts').then(module => module.confirmOff)
    },
    hostSet,
    ...fenceCommands,
    {
      noun: 'host',
      verb: 'token create',
      doc: 'Makes a token by which hosts join, and writes it, this once.',
      details: [
        'It holds all that a new host needs to find and trust this cloud: on the host, run ' +
          '"remuda-agent join TOKEN". Only its hash is kept here; each host that it lets in is ' +
          'counted.'
      ],
      options: [
        {
          name: 'uses',
          type: 'count',
          value: 'N',
          doc: 'How many hosts it may let in. Unit: count.',
          default: '1',
          minimum: 1,
          maximum: 10_000
        },
        {
          name: 'expires',
          type: 'duration',
          value: 'DURATION',
          doc: 'How long it is good for, at most 24h. Unit: s unless given.',
          default: '1h',
          minimum: 1_000,
          maximum: 86_400_000
        },
        { name: 'host', type: 'text', value: 'UUID', doc: 'UUID of the only host that it is for.' }
      ],
      examples: [
        { line: 'remuda host token create', doc: 'for one host, within the hour' },
        {
          line: 'remuda host token create --uses 40 --expires 8h > rack.token',
          doc: 'for a rack that is being built'
        }
      ],
      run: () => import('../run/join-token.ts').then(module => module.createJoinToken)
    },
    {
      noun: 'host',
      verb: 'token list',
      doc: 'Lists join tokens: what they are good for, never themselves.',
      examples: [{ line: 'remuda host token list', doc: 'how many uses are left' }],
      run: () => import('../run/join-token.ts').then(module => module.listJoinTokens)
    },
    {
      noun: 'host',
      verb: 'token revoke',
      doc: 'Makes a join token worthless at once; hosts that it let in stay.',
      positionals: [{ name: 'ID', doc: 'Id of the token, from: remuda host token list.' }],
      examples: [{ line: 'remuda host token revoke jt-0199', doc: 'nobody joins with it' }],
      run: () => import('../run/join-token.ts').then(module => module.revokeJoinToken)
    },
    ...dutyCommands,
    ...hostBootCommands,
    deleteCommand('host', {
      example: 'h2',
      more: [
        {
          name: 'force',
          type: 'flag',
          doc: 'Also when something is on it: its instances and volumes are forgotten, for good.'
        }
      ],
      details: [
        'For a host that will not come back: its key is worth nothing from then on. If its agent ' +
          'still runs it knocks again, and waits to be approved, whatever token it has.',
        'While instances or volumes are on it, it stays, since they cannot go elsewhere; --force ' +
          'forgets them with it. What still runs on it is not ended by that.'
      ]
    })
  ]
}
