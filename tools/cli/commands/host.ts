import type { Noun } from '../command.ts'
import { deleteCommand, listCommand, nameOfOne, showCommand } from './common.ts'

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
    deleteCommand('host', {
      example: 'h2',
      details: [
        'For a host that will not come back: nothing may be placed on it any more. One whose ' +
          'agent still runs knocks again, and waits to be approved.'
      ]
    })
  ]
}
