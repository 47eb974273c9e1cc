import type { Noun } from '../command.ts'
import { dryRunOption, labelOption, waitOptions } from '../options.ts'
import { deleteCommand, listCommand, nameOfOne, newName, showCommand } from './common.ts'

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
        {
          name: 'size',
          type: 'size',
          value: 'SIZE',
          required: true,
          doc: 'Size, such as 10GiB; it may grow, never shrink. Unit: MiB unless given.'
        },
        {
          name: 'pool',
          type: 'text',
          value: 'NAME',
          names: 'pool',
          doc: 'Pool that it lives in.',
          default: 'local'
        },
        {
          name: 'format',
          type: 'text',
          value: 'FORMAT',
          words: ['qcow2', 'raw', 'tree'],
          doc: 'qcow2 or raw for VMs; tree, a directory, for the root of a container.',
          default: 'qcow2'
        },
        {
          name: 'image',
          type: 'text',
          value: 'NAME',
          names: 'image',
          doc: 'Image that it starts as a copy of.'
        },
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
      options: [
        {
          name: 'size',
          type: 'size',
          value: 'SIZE',
          required: true,
          doc: 'The new size, not less than the old one. Unit: MiB unless given.'
        },
        dryRunOption,
        ...waitOptions
      ],
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
        {
          name: 'driver',
          type: 'text',
          value: 'DRIVER',
          words: ['directory'],
          doc: 'How volumes are kept: directory, as files below a path.',
          default: 'directory'
        },
        {
          name: 'path',
          type: 'text',
          value: 'PATH',
          doc: 'Absolute path on the hosts.',
          default: "a folder in the agent's state"
        },
        {
          name: 'shared',
          type: 'flag',
          doc: 'All hosts see the same volumes at this path, as on NFS.'
        },
        labelOption,
        dryRunOption,
        ...waitOptions
      ],
      examples: [
        { line: 'remuda pool create fast --path /srv/nvme', doc: 'a folder on every host' },
        { line: 'remuda pool create nfs --path /mnt/nfs --shared', doc: 'the same one everywhere' }
      ],
      run: () => import('../run/pool.ts').then(module => module.createPool)
    },
    listCommand('pool'),
    showCommand('pool', 'local'),
    deleteCommand('pool', { example: 'fast' })
  ]
}
