import type { Command } from '../command.ts'

const keyDefault = 'bootd/image.key in the state folder, made when it is not there'

/** Commands that make versions of the host image and check them, on this machine alone. */
export const hostImageLocal: readonly Command[] = [
  {
    noun: 'host-image',
    verb: 'build',
    doc: 'Builds a version of what hosts boot over the network, and signs it.',
    details: [
      'It is made of packages of Debian and of this program, and its name is made of what is in ' +
        'it: equal inputs give the same version. The first build installs packages, which takes ' +
        'minutes; later ones take what is kept in the cache. It needs root, apt, and the ' +
        'packages mmdebstrap, squashfs-tools, binutils and kmod.'
    ],
    options: [
      {
        name: 'profile',
        type: 'text',
        value: 'PROFILE',
        words: ['cloud', 'minimal', 'full'],
        doc: 'Kernel for clouds, with no watchdogs; drivers of virtual machines; or of metal.',
        default: 'full'
      },
      {
        name: 'out',
        type: 'text',
        value: 'DIR',
        doc: 'Folder that gets the version, as a folder.',
        default: 'bootd/images in the state folder'
      },
      {
        name: 'key',
        type: 'text',
        value: 'FILE',
        doc: 'Secret key that signs it, as signify writes one.',
        default: keyDefault
      },
      {
        name: 'release',
        type: 'text',
        value: 'NAME',
        doc: 'Release of Debian.',
        default: 'bookworm'
      },
      {
        name: 'arch',
        type: 'text',
        value: 'ARCH',
        words: ['x86_64', 'aarch64'],
        doc: 'Architecture of the hosts.',
        default: 'x86_64'
      },
      {
        name: 'level',
        type: 'count',
        value: 'N',
        doc: 'Level of zstd: 3 packs ten times as fast as 15, and a seventh more. Unit: count.',
        default: '3 of cloud and minimal, 15 of full',
        minimum: 1,
        maximum: 22
      },
      { name: 'fresh', type: 'flag', doc: 'Installs the packages anew, whatever is kept.' }
    ],
    examples: [
      { line: 'remuda host-image build', doc: 'for the machines of a rack' },
      {
        line: 'remuda host-image build --profile minimal --out /srv/images',
        doc: 'a smaller one, for virtual machines'
      }
    ],
    run: () => import('../run/host-image-build.ts').then(module => module.buildVersion)
  },
  {
    noun: 'host-image',
    verb: 'verify',
    doc: 'Checks a version of the host image: signature, files, and what it was built from.',
    details: [
      'It exits with 1 where anything is not what was signed. With --rebuild the version is ' +
        'built once more, from packages that are installed anew, and must become the same.'
    ],
    positionals: [{ name: 'FOLDER', doc: 'Folder of a version.' }],
    options: [
      {
        name: 'public-key',
        type: 'text',
        value: 'FILE',
        doc: 'Public key by which it must be signed.',
        default: 'bootd/image.pub in the state folder'
      },
      {
        name: 'rebuild',
        type: 'flag',
        doc: 'Builds it once more and compares; needs the secret key beside the public one.'
      },
      {
        name: 'release',
        type: 'text',
        value: 'NAME',
        doc: 'Release of Debian for --rebuild.',
        default: 'bookworm'
      },
      {
        name: 'level',
        type: 'count',
        value: 'N',
        doc: 'Level of zstd for --rebuild. Unit: count.',
        default: 'that of its profile',
        minimum: 1,
        maximum: 22
      }
    ],
    examples: [
      {
        line: 'remuda host-image verify /var/lib/remuda/bootd/images/4d3c2b1a00000000',
        doc: 'is it whole, and ours?'
      },
      {
        line: 'remuda host-image verify /srv/images/4d3c2b1a00000000 --rebuild',
        doc: 'and is it made of what we say?'
      }
    ],
    run: () => import('../run/host-image-build.ts').then(module => module.verifyVersion)
  }
]
