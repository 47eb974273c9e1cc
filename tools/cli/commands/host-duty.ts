import type { Command, Option } from '../command.ts'
import { dryRunOption, paceOptions } from '../options.ts'
import { nameOfOne } from './common.ts'

const parallelOption: Option = {
  name: 'parallel',
  type: 'count',
  value: 'N',
  doc: 'Instances of one host that are on their way at once. Unit: count.',
  default: '2',
  minimum: 1,
  maximum: 16
}
const coldOption: Option = {
  name: 'cold',
  type: 'flag',
  doc: 'Shuts down, for the move, what cannot go while it runs, such as containers.'
}
const timeoutOption: Option = {
  name: 'timeout',
  type: 'duration',
  value: 'DURATION',
  doc: 'How long to wait for one host. Unit: s unless given.',
  default: '1h'
}
const waitOption: Option = {
  name: 'wait',
  type: 'flag',
  doc: 'Waits for the end, and says how far it is.'
}

/** Commands that take hosts out of service and back. */
export const dutyCommands: readonly Command[] = [
  {
    noun: 'host',
    verb: 'drain',
    doc: 'Empties a host: its instances go to others, live, and nothing new comes.',
    details: [
      'It goes on by itself, whoever asked for it and whatever controller leads. Once nothing is ' +
        'left that can leave, the host is out of service (phase "maintenance"): it is not fenced ' +
        'when it falls silent. To stop it, or to use the host again: remuda host resume NAME.',
      'What only this host can run stays: volumes of a local pool, spec.host, and containers ' +
        'unless --cold is given. What has nowhere to go holds the host back in phase "draining" ' +
        'until there is room; --wait then ends with what is missing.'
    ],
    positionals: [nameOfOne('host')],
    options: [
      { name: 'plan', type: 'flag', doc: 'Says what would become of each instance; does nothing.' },
      coldOption,
      parallelOption,
      ...paceOptions,
      waitOption,
      timeoutOption
    ],
    examples: [
      { line: 'remuda host drain h2 --plan', doc: 'who would go where, and who would stay' },
      { line: 'remuda host drain h2 --wait', doc: 'and says how far it is' }
    ],
    run: () => import('../run/host-drain.ts').then(module => module.drainHost)
  },
  {
    noun: 'host',
    verb: 'resume',
    doc: 'Ends a drain or a maintenance: the host takes instances again.',
    details: ['With --back those that have left come back, live, as far as there is room.'],
    positionals: [nameOfOne('host')],
    options: [
      { name: 'back', type: 'flag', doc: 'Brings back what has left.' },
      dryRunOption,
      waitOption,
      timeoutOption
    ],
    examples: [
      { line: 'remuda host resume h2', doc: 'empty as it is' },
      { line: 'remuda host resume h2 --back --wait', doc: 'with all that it had' }
    ],
    run: () => import('../run/host-drain.ts').then(module => module.resumeHost)
  },
  {
    noun: 'host',
    verb: 'reboot',
    doc: 'Has a host in maintenance boot anew; nothing may run on it.',
    positionals: [nameOfOne('host')],
    options: [dryRunOption, waitOption, timeoutOption],
    examples: [{ line: 'remuda host reboot h2 --wait', doc: 'until it is back in another boot' }],
    run: () => import('../run/host-drain.ts').then(module => module.rebootHost)
  },
  {
    noun: 'host',
    verb: 'roll',
    doc: 'Drains hosts one after another, has them boot anew if wished, and resumes them.',
    details: [
      'It ends at the first host that cannot be emptied, or does not come back, and says which. ' +
        'The order of hosts lives in this command alone: when it is interrupted, the host that ' +
        'it was at stays as it is, and the command says how to go on.',
      'With --reboot the next host waits until all candidates stand again that stood before, and ' +
        'all servers of the ensemble serve that did, as far as they are reached from here.',
      'With --image each host boots that version over the network. If one does not, the roll ' +
        'ends, no host is pinned to the version any more, whichever roll had pinned it, and ' +
        'those that failed boot what they had. Ended by anything else, such as a drain that ' +
        'cannot go on or Ctrl-C, it leaves what it has done: hosts that boot the version stay ' +
        'pinned to it, and are named with how to go on and how to undo it. The roll that ends ' +
        'well takes away all pins to the version.',
      'Hosts that are in maintenance already are left alone.'
    ],
    positionals: [
      {
        name: 'HOST',
        doc: 'Names of the hosts, in order; left out: all, by name.',
        many: true,
        optional: true,
        names: 'host'
      }
    ],
    options: [
      { name: 'reboot', type: 'flag', doc: 'Has each boot anew once nothing runs on it.' },
      {
        name: 'image',
        type: 'text',
        value: 'VERSION',
        doc: 'Has each boot this version of the host image, which then becomes the current one.'
      },
      { name: 'back', type: 'flag', doc: 'Brings back to each what had left it.' },
      {
        name: 'parallel-hosts',
        type: 'count',
        value: 'N',
        doc: 'Hosts that are worked on at once. Unit: count.',
        default: '1',
        minimum: 1,
        maximum: 16
      },
      coldOption,
      parallelOption,
      ...paceOptions,
      timeoutOption
    ],
    examples: [
      { line: 'remuda host roll --reboot', doc: 'the whole cloud, one host after another' },
      { line: 'remuda host roll h2 h3 --reboot --back', doc: 'two of them' },
      { line: 'remuda host roll --image 3f2a --back', doc: 'a new image, host by host' }
    ],
    run: () => import('../run/host-roll.ts').then(module => module.rollHosts)
  }
]
