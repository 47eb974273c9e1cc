import type { Command, Noun } from '../command.ts'
import { fieldOption } from '../field-option.ts'
import { dryRunOption, labelOption, waitOptions } from '../options.ts'
import { deleteCommand, listCommand, newName, showCommand } from './common.ts'

const importCommand: Command = {
  noun: 'image',
  verb: 'import',
  aliases: ['create', 'add'],
  doc: 'Brings an image in, from a file here or from an address on the web.',
  details: [
    'A file is hashed here, sent, and hashed again there: an image that arrived otherwise than ' +
      'it left is refused. An upload that broke off is taken up by the same command once more.'
  ],
  positionals: [newName('image')],
  options: [
    { name: 'file', type: 'text', value: 'PATH', doc: 'File to upload.' },
    fieldOption({ field: 'image.source', name: 'url' }),
    fieldOption({
      field: 'image.sha256',
      name: 'sha256',
      value: 'HASH',
      adds: '64 hexadecimal digits.',
      default: 'that of the file'
    }),
    fieldOption({ field: 'image.type', name: 'type', default: 'container for tar, else vm' }),
    fieldOption({
      field: 'image.format',
      name: 'format',
      default: 'what the content looks like; by its name for --url'
    }),
    fieldOption({ field: 'image.architecture', name: 'architecture', value: 'WORD' }),
    fieldOption({ field: 'image.minMemoryMib', name: 'min-memory' }),
    fieldOption({ field: 'image.shared', name: 'shared' }),
    labelOption,
    dryRunOption,
    ...waitOptions
  ],
  examples: [
    { line: 'remuda image import debian --file debian-12.qcow2', doc: 'uploads a VM image' },
    {
      line: 'remuda image import busybox --file rootfs.tar.gz --type container',
      doc: 'a root file system for containers'
    },
    {
      line: 'remuda image import debian --url https://example.org/debian-12.qcow2 --no-wait',
      doc: 'the controller fetches it'
    }
  ],
  run: () => import('../run/image-import.ts').then(module => module.importImage)
}

/** Commands of images. */
export const image: Noun = {
  noun: 'image',
  aliases: ['images'],
  doc: 'Immutable master copies that volumes are made from.',
  commands: [
    importCommand,
    listCommand('image'),
    showCommand('image', 'debian'),
    deleteCommand('image', { example: 'debian' })
  ]
}
