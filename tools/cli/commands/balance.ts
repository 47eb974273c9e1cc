import type { Noun } from '../command.ts'
import { watchOption } from '../options.ts'

const planOptions = [
  {
    name: 'mode',
    type: 'text',
    value: 'WORD',
    words: ['level', 'pack'],
    doc: 'level, as when left out: hosts are made even; pack: hosts are emptied.'
  },
  {
    name: 'moves',
    type: 'count',
    value: 'N',
    doc: 'The most moves; left out: 50. Unit: count.',
    minimum: 1,
    maximum: 500
  },
  {
    name: 'gain',
    type: 'text',
    value: 'SHARE',
    doc: 'What each move must gain at least, as unevenness; left out: 0.005.'
  },
  {
    name: 'minute-gain',
    type: 'text',
    value: 'SHARE',
    doc: 'What every minute that a move takes must gain besides; left out: 0.002.'
  },
  {
    name: 'trials',
    type: 'count',
    value: 'N',
    doc: 'Changes that are tried where single moves get stuck; left out: none. Unit: count.',
    minimum: 0,
    maximum: 100_000_000
  }
] as const

/** Commands that level the hosts. */
export const balance: Noun = {
  noun: 'balance',
  doc: 'How even the hosts are, and live moves that make them more so.',
  commands: [
    {
      noun: 'balance',
      verb: 'show',
      aliases: ['status'],
      doc: 'Shows how uneven the hosts are, and the levelling that is under way.',
      details: [
        'Unevenness is the standard deviation, over the hosts in service, of the share of memory ' +
          'that is promised, and the same of vcpus, added: 0 when all hosts have the same share. ' +
          'Of the scores cpuMeasured and networkMeasured, where they have a weight, it is added ' +
          'as well, by what is used.'
      ],
      options: [watchOption],
      examples: [
        { line: 'remuda balance show', doc: 'is it worth while?' },
        { line: 'remuda balance show -w', doc: 'while hosts are levelled' }
      ],
      run: () => import('../run/balance.ts').then(module => module.showBalance)
    },
    {
      noun: 'balance',
      verb: 'plan',
      doc: 'Shows the moves that would level the hosts; nothing is done.',
      details: [
        'Each move is judged by all rules of placement in its turn, and all of them by the room ' +
          'that is kept for losses. The first moves gain most. How long one takes is reckoned by ' +
          'its memory, the slower line of both hosts, and how it went when it was sent last.'
      ],
      options: planOptions,
      examples: [
        { line: 'remuda balance plan', doc: 'what would be moved where' },
        { line: 'remuda balance plan --moves 5', doc: 'the five that gain most' },
        { line: 'remuda balance plan --mode pack', doc: 'which hosts could be switched off' }
      ],
      run: () => import('../run/balance.ts').then(module => module.planBalance)
    },
    {
      noun: 'balance',
      verb: 'apply',
      doc: 'Levels the hosts by live moves, some at a time.',
      details: [
        'It goes on by itself, also over a change of controller. To end it: remuda balance stop. ' +
          'Nothing is begun while a host is being recovered.'
      ],
      options: [
        ...planOptions,
        {
          name: 'parallel',
          type: 'count',
          value: 'N',
          doc: 'Most that are on their way at once; left out: 2. Unit: count.',
          minimum: 1,
          maximum: 16
        },
        { name: 'wait', type: 'flag', doc: 'Waits for the end of the last move.' }
      ],
      examples: [{ line: 'remuda balance apply --parallel 4 --wait', doc: 'four at a time' }],
      run: () => import('../run/balance.ts').then(module => module.applyBalance)
    },
    {
      noun: 'balance',
      verb: 'stop',
      doc: 'Begins no further move; those on their way go on.',
      examples: [{ line: 'remuda balance stop', doc: 'enough for now' }],
      run: () => import('../run/balance.ts').then(module => module.stopBalance)
    },
    {
      noun: 'balance',
      verb: 'set',
      doc: 'Sets whether and when hosts are levelled by themselves.',
      options: [
        {
          name: 'automatic',
          type: 'text',
          value: 'WORD',
          words: ['on', 'off'],
          doc: 'Whether hosts are levelled by themselves.'
        },
        {
          name: 'gain',
          type: 'text',
          value: 'SHARE',
          doc: 'A levelling must make the hosts at least so much more even; at first 0.1.'
        },
        {
          name: 'rest',
          type: 'duration',
          value: 'TIME',
          doc: 'So long all must have been calm before; at first 10m. Unit: s unless given.'
        },
        {
          name: 'minute-gain',
          type: 'text',
          value: 'SHARE',
          doc: 'What every minute that a move takes must gain besides; at first 0.002.'
        },
        {
          name: 'moves',
          type: 'count',
          value: 'N',
          doc: 'The most moves of one levelling; at first 20. Unit: count.',
          minimum: 1,
          maximum: 500
        }
      ],
      examples: [
        { line: 'remuda balance set --automatic on', doc: 'from now on' },
        { line: 'remuda balance set --automatic on --gain 0.2 --rest 1h', doc: 'seldom' }
      ],
      run: () => import('../run/balance.ts').then(module => module.setBalance)
    }
  ]
}
