import type { Noun, Option } from '../command.ts'
import { fieldOption } from '../field-option.ts'
import { dryRunOption, labelOption, waitOptions } from '../options.ts'
import { deleteCommand, listCommand, nameOfOne, newName, showCommand } from './common.ts'

const size: Option = fieldOption({ field: 'volume.sizeMib', name: 'size', adds: 'Such as 10GiB.' })

/** Commands of volumes. */
export const volume: Noun = {
  noun: 'volume',
  aliases: ['volumes', 'vol'],
  doc: 'Block storage of instances, and root directories of containers.',
  commands: [
    {
      noun: 'volume',
      verb: 'create',
      aliases: ['add'],
      doc: 'Creates a volume, empty or as a copy of an image.',
      positionals: [newName('volume')],
      options: [
        size,
        fieldOption({ field: 'volume.pool', name: 'pool', names: 'pool' }),
        fieldOption({ field: 'volume.format', name: 'format' }),
        fieldOption({ field: 'volume.image', name: 'image', names: 'image' }),
        labelOption,
        dryRunOption,
        ...waitOptions
      ],
      examples: [
        { line: 'remuda volume create archive --size 10GiB', doc: 'an empty volume' },
        {
          line: 'remuda instance create db --image debian --memory 1GiB --volume archive',
          doc: 'and an instance that uses it'
        }
      ],
      run: () => import('../run/volume.ts').then(module => module.createVolume)
    },
    listCommand('volume'),
    showCommand('volume', 'archive'),
    {
      noun: 'volume',
      verb: 'resize',
      doc: 'Makes a volume larger.',
      positionals: [nameOfOne('volume')],
      options: [size, dryRunOption, ...waitOptions],
      examples: [{ line: 'remuda volume resize archive --size 20GiB', doc: 'grows it' }],
      run: () => import('../run/volume.ts').then(module => module.resizeVolume)
    },
    deleteCommand('volume', {
      example: 'archive',
      details: ['What it holds is gone for good.']
    })
  ]
}

/** Commands of pools. */
export const pool: Noun = {
  noun: 'pool',
  aliases: ['pools'],
  doc: 'Where volumes live.',
  commands: [
    {
      noun: 'pool',
      verb: 'create',
      aliases: ['add'],
      doc: 'Creates a pool on all hosts.',
      positionals: [newName('pool')],
      options: [
        fieldOption({ field: 'pool.driver', name: 'driver' }),
        fieldOption({ field: 'pool.path', name: 'path' }),
        fieldOption({ field: 'pool.shared', name: 'shared', adds: 'As on NFS.' }),
        fieldOption({ field: 'pool.locks', name: 'locks' }),
        fieldOption({ field: 'pool.lockFolder', name: 'lock-folder' }),
        labelOption,
        dryRunOption,
        ...waitOptions
      ],
      examples: [
        { line: 'remuda pool create fast --path /srv/nvme', doc: 'a folder on every host' },
        { line: 'remuda pool create nfs --path /mnt/nfs --shared', doc: 'the same one everywhere' },
        {
          line: 'remuda pool create san --path /mnt/san --shared --locks virtlockd',
          doc: 'with a lock on each volume in use'
        }
      ],
      run: () => import('../run/pool.ts').then(module => module.createPool)
    },
    listCommand('pool'),
    showCommand('pool', 'local'),
    deleteCommand('pool', { example: 'fast' })
  ]
}
