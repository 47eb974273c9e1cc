import type { Command } from '../command.ts'
import { fieldOption } from '../field-option.ts'
import { dryRunOption } from '../options.ts'
import { nameOfOne } from './common.ts'

/** Sets what an operator may set of a host. */
export const hostSet: Command = {
  noun: 'host',
  verb: 'set',
  doc: 'Sets the labels of a host, whom it is for, how much it carries, and what it boots.',
  details: [
    'Labels such as rack and zone say what fails together: groups are kept apart by them, and ' +
      'the reserve can speak of them. What is on the host already stays, whatever is set.'
  ],
  positionals: [nameOfOne('host')],
  options: [
    {
      name: 'label',
      type: 'text',
      value: 'KEY=VALUE',
      repeatable: true,
      doc: 'A label; KEY= takes it away. Others stay as they are.'
    },
    {
      name: 'dedicated',
      type: 'text',
      value: 'TENANT',
      names: 'tenant',
      repeatable: true,
      doc: 'The only tenants whose instances may be placed on it; none: it is for all.'
    },
    fieldOption({ field: 'host.vcpusPerThread', name: 'vcpus-per-thread', value: 'RATIO' }),
    fieldOption({ field: 'host.reservedMib', name: 'reserved', required: false }),
    {
      name: 'image',
      type: 'text',
      value: 'VERSION',
      doc: 'Version of the host image that it boots whatever is promoted; none: the current one.'
    },
    dryRunOption
  ],
  examples: [
    { line: 'remuda host set h1 --label rack=r1 --label disk=ssd', doc: 'where it stands' },
    { line: 'remuda host set h1 --dedicated acme', doc: 'for one tenant alone' },
    { line: 'remuda host set h1 --dedicated none', doc: 'for all again' },
    { line: 'remuda host set h1 --image none', doc: 'boots what all others boot' }
  ],
  run: () => import('../run/host-set.ts').then(module => module.setHost)
}
