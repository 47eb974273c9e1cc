import type { Command, Noun, Option } from '../command.ts'
import { fieldOption } from '../field-option.ts'
import { dryRunOption, labelOption, yesOption } from '../options.ts'
import { deleteCommand, listCommand, nameOfOne, newName, showCommand } from './common.ts'

/** Commands of named shapes. */
export const size: Noun = {
  noun: 'size',
  aliases: ['sizes'],
  doc: 'Named shapes: so many processors, so much memory.',
  commands: [
    {
      noun: 'size',
      verb: 'create',
      aliases: ['add'],
      doc: 'Creates a named shape.',
      positionals: [newName('size')],
      options: [
        fieldOption({ field: 'size.vcpus', name: 'vcpus' }),
        fieldOption({ field: 'size.memoryMib', name: 'memory', adds: 'Such as 2GiB.' }),
        labelOption,
        dryRunOption
      ],
      examples: [
        { line: 'remuda size create small --vcpus 1 --memory 512MiB', doc: 'for many small ones' }
      ],
      run: () => import('../run/size.ts').then(module => module.createSize)
    },
    listCommand('size'),
    showCommand('size', 'small'),
    deleteCommand('size', { example: 'small' })
  ]
}

const most = (name: string, value: string, doc: string): Option => ({
  ...{ name, type: 'text', value },
  doc: `${doc} "none": as many as there is room for.`
})

/** Sets what an operator may set of a tenant. */
const tenantSet: Command = {
  noun: 'tenant',
  verb: 'set',
  doc: 'Sets who a tenant is, and the most that it may have.',
  details: [
    'What it has already stays, also beyond a quota; then it gets no more. Memory and processors ' +
      'are those of instances that should run.'
  ],
  positionals: [nameOfOne('tenant')],
  options: [
    most('memory', 'SIZE', 'Most memory. Unit: MiB unless given.'),
    most('vcpus', 'COUNT', 'Most virtual processors. Unit: count.'),
    most('disk', 'SIZE', 'Most room in volumes. Unit: MiB unless given.'),
    most('instances', 'COUNT', 'Most instances. Unit: count.'),
    fieldOption({ field: 'tenant.description', name: 'description', value: 'TEXT' }),
    fieldOption({ field: 'tenant.preemption', name: 'preemption', value: 'WHO' }),
    dryRunOption
  ],
  examples: [
    { line: 'remuda tenant set acme --memory 64GiB --vcpus 32', doc: 'no more than that' },
    { line: 'remuda tenant set acme --memory none', doc: 'as much as there is' }
  ],
  run: () => import('../run/tenant.ts').then(module => module.setTenant)
}

/** Commands of tenants. */
export const tenant: Noun = {
  noun: 'tenant',
  aliases: ['tenants'],
  doc: 'Those who share the cloud; names are unique within one.',
  commands: [
    {
      noun: 'tenant',
      verb: 'create',
      aliases: ['add'],
      doc: 'Creates a tenant.',
      positionals: [newName('tenant')],
      options: [
        fieldOption({ field: 'tenant.description', name: 'description', value: 'TEXT' }),
        fieldOption({ field: 'tenant.preemption', name: 'preemption', value: 'WHO' }),
        fieldOption({ field: 'tenant.quota.memoryMib', name: 'memory', adds: 'Its quota.' }),
        fieldOption({ field: 'tenant.quota.vcpus', name: 'vcpus', adds: 'Its quota.' }),
        fieldOption({ field: 'tenant.quota.diskMib', name: 'disk', adds: 'Its quota.' }),
        fieldOption({ field: 'tenant.quota.instances', name: 'instances', adds: 'Its quota.' }),
        labelOption,
        dryRunOption
      ],
      examples: [
        { line: 'remuda tenant create acme --description "Acme Ltd."', doc: 'a new tenant' },
        { line: 'remuda --tenant acme instance list', doc: 'and what it has' }
      ],
      run: () => import('../run/tenant.ts').then(module => module.createTenant)
    },
    listCommand('tenant'),
    showCommand('tenant', 'acme'),
    tenantSet,
    deleteCommand('tenant', { example: 'acme' })
  ]
}

/** Commands of tokens. */
export const token: Noun = {
  noun: 'token',
  aliases: ['tokens'],
  doc: 'Keys to the API for people and programs elsewhere.',
  commands: [
    {
      noun: 'token',
      verb: 'create',
      aliases: ['add'],
      doc: 'Makes a token and writes it, this once.',
      details: ['Only its hash is kept: a token that was lost is deleted and made anew.'],
      positionals: [{ name: 'NAME', doc: 'What you will know it by.' }],
      options: [
        {
          name: 'role',
          type: 'text',
          value: 'ROLE',
          words: ['admin', 'reader'],
          doc: 'What it may do: everything, or only look.',
          default: 'reader'
        }
      ],
      examples: [
        {
          line: 'remuda token create grafana --role reader > grafana.token',
          doc: 'the token alone goes to the file'
        }
      ],
      run: () => import('../run/token.ts').then(module => module.createToken)
    },
    {
      noun: 'token',
      verb: 'list',
      aliases: ['ls'],
      doc: 'Lists tokens: their names and roles, never themselves.',
      examples: [{ line: 'remuda token list', doc: 'who may get in' }],
      run: () => import('../run/token.ts').then(module => module.listTokens)
    },
    {
      noun: 'token',
      verb: 'delete',
      aliases: ['rm', 'remove'],
      doc: 'Makes a token worthless at once, after asking.',
      positionals: [{ name: 'NAME', doc: 'Name or id of the token.' }],
      options: [yesOption],
      examples: [{ line: 'remuda token delete grafana --yes', doc: 'for scripts' }],
      run: () => import('../run/token.ts').then(module => module.deleteToken)
    }
  ]
}
