import type { Command } from '../command.ts'
import { dryRunOption, yesOption } from '../options.ts'

/** Commands that keep the state of the cloud elsewhere, and bring it back. */
export const backupCommands: readonly Command[] = [
  {
    noun: 'cluster',
    verb: 'backup create',
    doc: 'Writes all that is recorded into one file.',
    details: [
      'It is of one moment, and is taken from a running cloud; with --folder from the journal of ' +
        'a controller that is stopped. The content of images and volumes is not in it. It holds ' +
        'secrets (hashes of tokens, keys): the file is readable by its owner only.'
    ],
    positionals: [{ name: 'FILE', doc: 'File that must not exist yet; - for a pipe.' }],
    options: [
      {
        name: 'folder',
        type: 'text',
        value: 'DIR',
        doc: 'Journal of a stopped controller, such as /var/lib/remuda/controller/journal.'
      }
    ],
    examples: [
      { line: 'remuda cluster backup create cloud.backup', doc: 'from the running cloud' },
      {
        line: 'remuda cluster backup create a.backup --folder /var/lib/remuda/controller/journal',
        doc: 'while no controller runs'
      }
    ],
    run: () => import('../run/backup.ts').then(module => module.createBackup)
  },
  {
    noun: 'cluster',
    verb: 'backup restore',
    doc: 'Puts a backup into an empty journal, on the machine of a candidate.',
    details: [
      'No controller may run. The journal is the one that the configuration of the controller on ' +
        'this machine names, and it must be empty. The whole file is checked before anything is ' +
        'written. What runs on hosts and is in the backup goes on; what is newer is stopped, and ' +
        'its volumes stay.'
    ],
    positionals: [{ name: 'FILE', doc: 'File that backup create has written.' }],
    options: [
      {
        name: 'config',
        type: 'text',
        value: 'FILE',
        doc: 'Configuration of the controller.',
        default: 'controller/controller.json in the state folder'
      },
      {
        name: 'epoch-above',
        type: 'count',
        value: 'EPOCH',
        doc: 'Highest epoch that hosts have seen, if far above the backup. Unit: epochs.',
        default: 'a thousand above that of the backup'
      },
      dryRunOption,
      yesOption
    ],
    examples: [
      { line: 'remuda cluster backup restore cloud.backup --dry-run', doc: 'what is in it?' },
      { line: 'remuda cluster backup restore cloud.backup --yes', doc: 'in a script' }
    ],
    run: () => import('../run/backup.ts').then(module => module.restoreFromBackup)
  }
]
