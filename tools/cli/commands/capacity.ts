import type { Command } from '../command.ts'
import { watchOption } from '../options.ts'

/** What is left of the cloud. */
export const capacity: Command = {
  verb: 'capacity',
  doc: 'Shows what is left for each size, now and after losses of hosts.',
  details: [
    'AFTER counts what fits once the worst of the losses that room is kept for has happened and ' +
      'all that was lost runs elsewhere; where no room is kept, after the loss of any one host. ' +
      'See: remuda ha set --reserve-hosts.'
  ],
  options: [
    {
      name: 'without',
      type: 'text',
      value: 'HOST',
      names: 'host',
      repeatable: true,
      doc: 'Think this host away, and what is on it elsewhere.'
    },
    {
      name: 'with',
      type: 'text',
      value: 'HOSTS',
      repeatable: true,
      doc: 'Think up empty hosts: "2x like h1", or 2xh1.'
    },
    watchOption
  ],
  examples: [
    { line: 'remuda capacity', doc: 'what is left, and what is short' },
    { line: 'remuda capacity --without h3', doc: 'before h3 is taken out of service' },
    { line: 'remuda capacity --with "2x like h1"', doc: 'before two more are bought' }
  ],
  run: () => import('../run/capacity.ts').then(module => module.showCapacity)
}
