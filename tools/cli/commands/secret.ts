import type { Noun } from '../command.ts'
import { yesOption } from '../options.ts'

const name = { name: 'NAME', doc: 'Name of the secret, as fence devices refer to it.' }

/** Commands of secrets. */
export const secret: Noun = {
  noun: 'secret',
  aliases: ['secrets'],
  doc: 'Passwords that fence devices need; what is put in never comes out.',
  commands: [
    {
      noun: 'secret',
      verb: 'set',
      doc: 'Sets a secret, or changes it: one line, from a file or from standard input.',
      details: [
        'On a terminal it is asked for, and not shown. It is never taken from the command line, ' +
          'where others could read it. A line end at its end is left out.'
      ],
      positionals: [name],
      options: [
        {
          name: 'file',
          short: 'f',
          type: 'text',
          value: 'FILE',
          doc: 'File that holds it; - reads standard input.',
          default: 'standard input'
        }
      ],
      examples: [
        { line: 'remuda secret set bmc', doc: 'asks for it' },
        { line: 'remuda secret set bmc --file bmc.password', doc: 'for scripts' }
      ],
      run: () => import('../run/secret.ts').then(module => module.setSecret)
    },
    {
      noun: 'secret',
      verb: 'list',
      aliases: ['ls'],
      doc: 'Lists secrets: who set each, when, and which hosts need it; never a value.',
      examples: [{ line: 'remuda secret list', doc: 'which are needed by whom' }],
      run: () => import('../run/secret.ts').then(module => module.listSecrets)
    },
    {
      noun: 'secret',
      verb: 'delete',
      aliases: ['rm', 'remove'],
      doc: 'Deletes a secret that no fence device needs, after asking.',
      positionals: [name],
      options: [yesOption],
      examples: [{ line: 'remuda secret delete bmc --yes', doc: 'for scripts' }],
      run: () => import('../run/secret.ts').then(module => module.deleteSecret)
    }
  ]
}
