import type { Noun } from '../command.ts'
import { watchOption } from '../options.ts'

/** Commands about how the cloud heals itself. */
export const ha: Noun = {
  noun: 'ha',
  aliases: ['healing'],
  doc: 'How the cloud heals itself: who is fenced, what holds, what is kept free.',
  commands: [
    {
      noun: 'ha',
      verb: 'status',
      aliases: ['show'],
      doc: 'Shows whether hosts are fenced, which are, what holds, and what would not work.',
      details: [
        'A host that dies is fenced and proven off, and its instances start elsewhere. Here is ' +
          'told what keeps that from happening now, or would if a host died.'
      ],
      options: [watchOption],
      examples: [
        { line: 'remuda ha status', doc: 'could every host be fenced now?' },
        { line: 'remuda ha status -w', doc: 'while a host is fenced' }
      ],
      run: () => import('../run/ha.ts').then(module => module.showHealing)
    },
    {
      noun: 'ha',
      verb: 'disarm',
      doc: 'Lets no host be fenced from now on, such as during work on the network.',
      details: [
        'Fences that are under way are ended first. Instances of hosts that die meanwhile wait ' +
          'until it is armed again, or until: remuda host confirm-off.'
      ],
      options: [
        {
          name: 'because',
          type: 'text',
          value: 'TEXT',
          required: true,
          doc: 'Why, for whoever comes next.'
        }
      ],
      examples: [
        {
          line: 'remuda ha disarm --because "switch of rack 3 is replaced until 14:00"',
          doc: 'before the work'
        }
      ],
      run: () => import('../run/ha.ts').then(module => module.disarmHealing)
    },
    {
      noun: 'ha',
      verb: 'arm',
      doc: 'Lets hosts that are dead be fenced again.',
      examples: [{ line: 'remuda ha arm', doc: 'after the work' }],
      run: () => import('../run/ha.ts').then(module => module.armHealing)
    },
    {
      noun: 'ha',
      verb: 'set',
      doc: 'Sets for how many losses of hosts room is kept, and how many start at once.',
      details: [
        'With a reserve, an instance is refused that could not be started again after such a ' +
          'loss. What is there already stays, also where the new reserve does not hold for it.'
      ],
      options: [
        {
          name: 'reserve-hosts',
          type: 'count',
          value: 'N',
          doc: 'Any so many hosts may be lost; 0: no room is kept. Unit: count.',
          minimum: 0,
          maximum: 16
        },
        {
          name: 'reserve-domain',
          type: 'text',
          value: 'LABEL',
          doc: 'Label of hosts, such as rack, of which any one may be lost; none: no label.'
        },
        {
          name: 'preemption',
          type: 'text',
          value: 'WHO',
          words: ['never', 'own', 'any', 'tenant'],
          doc: 'Who stops for more important ones: never, own, any; tenant: as each tenant says.'
        },
        {
          name: 'starts-per-host',
          type: 'count',
          value: 'N',
          doc: 'Instances that may come up on one host at once; 0: by its threads. Unit: count.',
          minimum: 0,
          maximum: 1_000
        },
        {
          name: 'brake-share',
          type: 'count',
          value: 'PERCENT',
          doc: 'Of all hosts, the most that are fenced at once; 0: a third. Unit: percent.',
          minimum: 0,
          maximum: 100
        },
        {
          name: 'fences-per-rack',
          type: 'count',
          value: 'N',
          doc: 'Hosts of one rack that may be fenced at once; 0: one. Unit: count.',
          minimum: 0,
          maximum: 64
        },
        {
          name: 'storage-witness',
          type: 'text',
          value: 'WORD',
          words: ['hold', 'alarm'],
          doc: 'Where a host writes on after its fence device read off: hold all of it, or alarm.'
        }
      ],
      examples: [
        { line: 'remuda ha set --reserve-hosts 1', doc: 'any one host may die' },
        { line: 'remuda ha set --reserve-domain rack', doc: 'any one rack, too' },
        { line: 'remuda ha set --preemption any', doc: 'priorities count across tenants' },
        { line: 'remuda ha set --starts-per-host 8', doc: 'where disks are slow to start from' }
      ],
      run: () => import('../run/ha.ts').then(module => module.setHealing)
    }
  ]
}
