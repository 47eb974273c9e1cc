/** The options that several commands share, each described once. */
import { stateDefault } from '#shared/state-folder.ts'
import type { Option } from './command.ts'

/** Every command takes these, and they may stand anywhere. */
export const globalOptions: readonly Option[] = [
  {
    name: 'server',
    type: 'text',
    value: 'URL',
    repeatable: true,
    doc:
      'Where the cloud answers: http://…, https://… or unix:/path; several with commas, of ' +
      'which any is asked. Also REMUDA_SERVER.',
    default: "the controller's socket on this machine, else http://127.0.0.1:7410"
  },
  {
    name: 'token-file',
    type: 'text',
    value: 'FILE',
    doc: 'File that holds the token. Also REMUDA_TOKEN_FILE.',
    default: 'admin.token in the state folder, for a controller on this machine'
  },
  {
    name: 'tenant',
    type: 'text',
    value: 'NAME',
    doc: 'Whose resources; * in lists: all. Also REMUDA_TENANT.',
    default: 'default',
    names: 'tenant'
  },
  {
    name: 'state',
    type: 'text',
    value: 'DIR',
    doc: 'State folder of this machine. Also REMUDA_STATE.',
    default: stateDefault
  },
  {
    name: 'output',
    short: 'o',
    type: 'text',
    value: 'FORMAT',
    words: ['table', 'wide', 'json', 'yaml', 'name'],
    doc: 'How results are written; json and yaml are the documents of the API.'
  },
  {
    name: 'lab',
    type: 'flag',
    doc: 'Talks to the lab on this machine. Also REMUDA_LAB, which names its folder.'
  },
  { name: 'quiet', short: 'q', type: 'flag', doc: 'Writes results and failures only.' },
  { name: 'debug', type: 'flag', doc: 'Shows the HTTP exchange, with tokens masked.' },
  { name: 'no-color', type: 'flag', doc: 'Writes without colours. Also NO_COLOR.' },
  { name: 'help', short: 'h', type: 'flag', doc: 'Explains the command.' }
]

/** For commands that can go on showing. */
export const watchOption: Option = {
  name: 'watch',
  short: 'w',
  type: 'flag',
  doc: 'Stays, and writes again when something changes.'
}

/** For commands that show many resources. */
export const listOptions: readonly Option[] = [
  {
    name: 'filter',
    type: 'text',
    value: 'EXPR',
    doc: 'Only those for which this holds, such as "status.phase=running and labels.app=x".'
  },
  {
    name: 'sort',
    type: 'text',
    value: 'COLUMNS',
    doc: 'Columns or fields to sort by, with commas; - before one turns it round.'
  },
  {
    name: 'columns',
    type: 'text',
    value: 'COLUMNS',
    doc: 'Columns or fields to show, with commas; +NAME adds one to the usual ones.'
  },
  watchOption
]

/** For commands that change something. */
export const dryRunOption: Option = {
  name: 'dry-run',
  type: 'flag',
  doc: 'Says what would happen, and does nothing.'
}

/** For commands whose effect takes a while. */
export const waitOptions: readonly Option[] = [
  { name: 'wait', type: 'flag', doc: 'Waits until it is as desired (the default).' },
  { name: 'no-wait', type: 'flag', doc: 'Returns as soon as the wish is recorded.' },
  {
    name: 'timeout',
    type: 'duration',
    value: 'DURATION',
    doc: 'How long to wait. Unit: s unless given.',
    default: '60s'
  }
]

/** For commands that send running instances to other hosts. */
export const paceOptions: readonly Option[] = [
  {
    name: 'bandwidth',
    type: 'size',
    value: 'SIZE',
    doc: 'Most memory of one instance that is sent in a second. Unit: MiB unless given.',
    minimum: 1,
    maximum: 1024 * 1024
  },
  {
    name: 'downtime',
    type: 'duration',
    value: 'DURATION',
    doc: 'How long one may stand still at the end of its way, at most 60s. Unit: s unless given.',
    minimum: 1,
    maximum: 60_000
  },
  {
    name: 'post-copy',
    type: 'text',
    value: 'WHEN',
    words: ['when-needed', 'never'],
    doc:
      'Whether one that writes faster than it is sent may go on there before all of its memory ' +
      'has come. That always ends, but it is lost, and starts anew from its volumes, if either ' +
      'host or the line between them fails meanwhile.',
    default: 'when-needed'
  }
]

/** For commands that ask before they act. */
export const yesOption: Option = {
  name: 'yes',
  short: 'y',
  type: 'flag',
  doc: 'Does not ask; needed where nobody can be asked.'
}

/** For commands that create something. */
export const labelOption: Option = {
  name: 'label',
  type: 'pair',
  value: 'KEY=VALUE',
  repeatable: true,
  doc: 'A word of your own to find it by.'
}
