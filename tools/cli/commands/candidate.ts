import type { Command } from '../command.ts'

const name = { name: 'NAME', doc: 'Name of the candidate.' }

/** Commands about who may be controller, for the noun `cluster`. */
export const candidateCommands: readonly Command[] = [
  {
    noun: 'cluster',
    verb: 'candidate list',
    doc: 'Lists who may be controller, as every host has it in a signed list.',
    examples: [
      { line: 'remuda cluster candidate list', doc: 'names, keys, and where hosts knock' }
    ],
    run: () => import('../run/candidate.ts').then(module => module.listCandidates)
  },
  {
    noun: 'cluster',
    verb: 'candidate remove',
    doc: 'Takes a candidate out of the list: no host lets its key in any more.',
    details: [
      'For a machine that was stolen or is not trusted any more. It stays out, by its name and ' +
        'by its key, until it is allowed again. Take the secret of the ensemble from it as well.'
    ],
    positionals: [name],
    examples: [{ line: 'remuda cluster candidate remove c3', doc: 'at once, on every host' }],
    run: () => import('../run/candidate.ts').then(module => module.removeCandidate)
  },
  {
    noun: 'cluster',
    verb: 'candidate allow',
    doc: 'Lets a candidate come in again that was taken out.',
    positionals: [name],
    examples: [{ line: 'remuda cluster candidate allow c3', doc: 'as soon as it stands' }],
    run: () => import('../run/candidate.ts').then(module => module.allowCandidate)
  }
]
