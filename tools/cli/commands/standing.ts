import type { Command } from '../command.ts'
import { watchOption } from '../options.ts'

/** Commands about who leads and how far the others are, for the noun `cluster`. */
export const standingCommands: readonly Command[] = [
  {
    noun: 'cluster',
    verb: 'status',
    doc: 'Shows who leads, how far each candidate is, and how the ensemble is reached.',
    details: [
      'Any candidate answers, from what it sees itself, also when nobody leads. LAG counts the ' +
        'entries of the journal that a candidate still lacks.'
    ],
    options: [watchOption],
    examples: [
      { line: 'remuda cluster status', doc: 'can another one take over at once?' },
      { line: 'remuda cluster status -w', doc: 'during a hand-over' }
    ],
    run: () => import('../run/cluster.ts').then(module => module.showStanding)
  },
  {
    noun: 'cluster',
    verb: 'leader',
    doc: 'Names the controller and where its API is; exits with 1 when nobody leads.',
    examples: [{ line: 'remuda cluster leader', doc: 'its name and address' }],
    run: () => import('../run/cluster.ts').then(module => module.showLeader)
  },
  {
    noun: 'cluster',
    verb: 'step-down',
    doc: 'Lets the controller hand the lead over to the next candidate.',
    details: [
      'All that was accepted is recorded first. Instances do not notice. Use it before the ' +
        'machine of the controller is switched off.'
    ],
    examples: [{ line: 'remuda cluster step-down', doc: 'another one leads within milliseconds' }],
    run: () => import('../run/cluster.ts').then(module => module.stepDown)
  },
  {
    noun: 'cluster',
    verb: 'show',
    doc: 'Shows all that one candidate knows of the cluster, with the times on which it rests.',
    details: [
      'Each rule compares two times of the chain from heartbeat to fence, says by how much it ' +
        'holds, and what would happen otherwise. A controller whose session breaks one does not ' +
        'start. A limit of a self-fence that does is refused where it is set; one that was set ' +
        'before is shown as BROKEN.'
    ],
    examples: [
      { line: 'remuda cluster show', doc: 'who leads, and whether the times go together' },
      { line: 'remuda cluster show -o json', doc: 'for a monitor' }
    ],
    run: () => import('../run/cluster.ts').then(module => module.showCluster)
  }
]
