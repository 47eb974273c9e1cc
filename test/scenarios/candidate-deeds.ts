/** What may happen to candidates in a story. */
import { CandidateCloud } from '../world/candidate-cloud.ts'
import type { WholeCloud } from '../world/whole-cloud.ts'

const deeds = [
  'kill',
  'freeze',
  'thaw',
  'cut-from-journal',
  'cut-from-hosts',
  'rejoin-hosts',
  'step-down'
] as const

type Happening = { readonly do: (typeof deeds)[number]; readonly candidate: string }

type Question = { readonly do: 'who-leads' | 'which-epochs' }

/** One of them, or a question: who leads, and which epochs each host has obeyed. */
export type CandidateDeed = Happening | Question

const questions: readonly string[] = ['who-leads', 'which-epochs']

/** Whether a deed is about candidates. */
export const isCandidateDeed = (deed: { readonly do: string }): deed is CandidateDeed =>
  questions.includes(deed.do) || deeds.some(one => one === deed.do)

/** Does it and gives what is seen. */
export async function actOnCandidates(
  cloud: WholeCloud,
  deed: CandidateDeed
): Promise<readonly string[]> {
  if (!(cloud instanceof CandidateCloud)) throw new Error('this story has no candidates')
  if (deed.do === 'who-leads') return [`${cloud.leader ?? 'nobody'} leads`]
  if (deed.do === 'which-epochs') return epochsOf(cloud)
  if ('candidate' in deed) await happen(cloud, deed)
  return []
}

async function happen(cloud: CandidateCloud, deed: Happening): Promise<void> {
  switch (deed.do) {
    case 'kill':
      return cloud.kill(deed.candidate)
    case 'freeze':
      return cloud.freeze(deed.candidate)
    case 'thaw':
      return await cloud.thaw(deed.candidate)
    case 'cut-from-journal':
      return cloud.cutFromJournal(deed.candidate)
    case 'cut-from-hosts':
      return cloud.cutFromHosts(deed.candidate)
    case 'rejoin-hosts':
      return cloud.rejoinHosts(deed.candidate)
    case 'step-down':
      return await cloud.stepDown(deed.candidate)
    default:
      return deed.do satisfies never
  }
}

/** Epochs of the orders that each host has taken on, in their order, each run of one told once. */
const epochsOf = (cloud: CandidateCloud): readonly string[] =>
  [...cloud.hosts.values()].map(host => {
    const epochs = host.applied.map(({ epoch }) => epoch)
    const told = epochs.filter((epoch, at) => epoch !== epochs[at - 1])
    return `${host.name} obeyed epochs ${told.join(', ')}`
  })
