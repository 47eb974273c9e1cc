import type { Command, Noun } from '../command.ts'
import { watchOption } from '../options.ts'
import { hostImageLocal } from './host-image.ts'

/** How machines boot over the network. */
export const boot: Noun = {
  noun: 'boot',
  doc: 'How machines boot over the network, and which may become hosts.',
  commands: [
    {
      noun: 'boot',
      verb: 'show',
      doc: 'Shows what machines get when they boot, who may come in, and who serves them.',
      examples: [{ line: 'remuda boot show', doc: 'could a new machine boot now?' }],
      run: () => import('../run/boot.ts').then(module => module.showBoot)
    },
    {
      noun: 'boot',
      verb: 'set',
      doc: 'Sets how machines boot, and whom to let in without asking.',
      details: [
        'An unknown machine boots, shows its hardware (remuda host show) and waits for: remuda ' +
          'host approve. With --let-in so many come in by themselves, for a while, also those ' +
          'that wait already.'
      ],
      options: [
        {
          name: 'unknown',
          type: 'text',
          value: 'WORD',
          words: ['wait', 'nothing'],
          doc: 'What a machine does that nobody knows: boot and wait, or nothing.'
        },
        {
          name: 'let-in',
          type: 'count',
          value: 'N',
          doc: 'Unknown machines that come in by themselves; 0: none. Unit: count.',
          minimum: 0,
          maximum: 10_000
        },
        {
          name: 'for',
          type: 'duration',
          value: 'DURATION',
          doc: 'For how long. Unit: s unless given.',
          default: '1h'
        },
        {
          name: 'from',
          type: 'text',
          value: 'RANGE',
          repeatable: true,
          doc: 'Range from which they may come, such as 10.0.0.0/24.',
          default: 'any'
        },
        {
          name: 'image-key',
          type: 'text',
          value: 'FILE',
          doc: 'File with the public key by which images must be signed; "any": no key.'
        },
        {
          name: 'ssh-keys',
          type: 'text',
          value: 'FILE',
          doc: 'File with the keys of operators, as authorized_keys; "none": nobody logs in.'
        },
        {
          name: 'kernel-options',
          type: 'text',
          value: 'TEXT',
          doc: 'More of the kernel\'s command line, for every machine; "none": nothing.'
        },
        {
          name: 'join-within',
          type: 'duration',
          value: 'DURATION',
          doc: 'A machine that has not joined after so long has failed. Unit: s unless given.',
          minimum: 30_000,
          maximum: 7_200_000
        },
        {
          name: 'peers',
          type: 'text',
          value: 'WORD',
          words: ['on', 'off'],
          doc: 'Whether hosts serve their image to others that boot, beside bootd.'
        }
      ],
      examples: [
        { line: 'remuda boot set --let-in 40 --for 2h --from 10.0.0.0/24', doc: 'a new rack' },
        { line: 'remuda boot set --let-in 0', doc: 'who comes now is approved by hand' },
        { line: 'remuda boot set --ssh-keys ~/.ssh/authorized_keys', doc: 'who may log in' }
      ],
      run: () => import('../run/boot.ts').then(module => module.setBoot)
    },
    {
      noun: 'boot',
      verb: 'expect',
      doc: 'Tells of a machine that has not come yet: it becomes this host by itself.',
      details: [
        'One of UUID, serial number and MAC is enough to know it by. A machine that waits to be ' +
          'approved already comes in too, under this name.'
      ],
      positionals: [{ name: 'NAME', doc: 'Name of the host that it becomes.' }],
      options: [
        { name: 'uuid', type: 'text', value: 'UUID', doc: 'SMBIOS UUID.' },
        { name: 'serial', type: 'text', value: 'TEXT', doc: 'Serial number.' },
        { name: 'mac', type: 'text', value: 'MAC', repeatable: true, doc: 'Hardware address.' },
        { name: 'image', type: 'text', value: 'VERSION', doc: 'Version that it is pinned to.' }
      ],
      examples: [
        { line: 'remuda boot expect h7 --mac 52:54:00:12:34:56', doc: 'before it is racked' },
        { line: 'remuda boot expect h8 --serial CZ1234567', doc: 'by the number on its label' }
      ],
      run: () => import('../run/boot.ts').then(module => module.expectMachine)
    },
    {
      noun: 'boot',
      verb: 'forget',
      doc: 'Expects a machine no longer.',
      positionals: [{ name: 'NAME', doc: 'As it is expected.' }],
      examples: [{ line: 'remuda boot forget h7', doc: 'it was not delivered' }],
      run: () => import('../run/boot.ts').then(module => module.forgetMachine)
    }
  ]
}

/** Commands about versions of the host image that the controller answers. */
export const hostImageCommands: readonly Command[] = [
  {
    noun: 'host-image',
    verb: 'list',
    doc: 'Lists versions of the image that hosts boot: what for, who has them, who runs them.',
    examples: [{ line: 'remuda host-image list', doc: 'which are there' }],
    run: () => import('../run/boot.ts').then(module => module.listImages)
  },
  {
    noun: 'host-image',
    verb: 'show',
    doc: 'Shows a version: its files, who has it, who gets it, who runs it.',
    positionals: [{ name: 'VERSION', doc: 'Version, or how it begins.' }],
    examples: [{ line: 'remuda host-image show 3f2a', doc: 'all of it' }],
    run: () => import('../run/boot.ts').then(module => module.showImage)
  },
  {
    noun: 'host-image',
    verb: 'promote',
    doc: 'Has hosts get a version from their next boot on; none is booted for it.',
    details: [
      'With --percent only some hosts get it, always the same ones, and "promote" again without ' +
        'it gives it to all. To have hosts boot it one after another: remuda host roll --image.',
      'It is refused while a bootd that serves boots lacks the version, which is fetched there ' +
        'from then on: try again once remuda host-image list shows it AT all of them.'
    ],
    positionals: [{ name: 'VERSION', doc: 'Version, or how it begins.' }],
    options: [
      {
        name: 'percent',
        type: 'count',
        value: 'N',
        doc: 'Hosts that get it. Unit: percent.',
        default: '100',
        minimum: 1,
        maximum: 100
      }
    ],
    examples: [
      { line: 'remuda host-image promote 3f2a --percent 5', doc: 'some hosts first' },
      { line: 'remuda host-image promote 3f2a', doc: 'all of them' }
    ],
    run: () => import('../run/boot.ts').then(module => module.promoteImage)
  },
  {
    noun: 'host-image',
    verb: 'rollback',
    doc: 'Has hosts get the version before from their next boot on.',
    details: [
      'A canary is only taken away. Else the version that was current is withdrawn: no host ' +
        'falls back to it, and there is nothing more to roll back to until another one is promoted.'
    ],
    examples: [{ line: 'remuda host-image rollback', doc: 'the new one is no good' }],
    run: () => import('../run/boot.ts').then(module => module.rollBackImage)
  }
]

/** Versions of the image that hosts boot. */
export const hostImage: Noun = {
  noun: 'host-image',
  doc: 'Versions of the image that hosts boot over the network.',
  commands: [...hostImageLocal, ...hostImageCommands]
}

/** Commands about the boots of hosts. */
export const hostBootCommands: readonly Command[] = [
  {
    noun: 'host',
    verb: 'boot-log',
    doc: 'Shows how far each machine has come that has booted, stage by stage.',
    details: [
      'Stages: dhcp, script, kernel, initramfs, image, verified, system, agent, joined; or ' +
        'waiting, rescue, failed.'
    ],
    positionals: [{ name: 'HOST', doc: 'Only this one, with its time line.', optional: true }],
    options: [watchOption],
    examples: [
      { line: 'remuda host boot-log -w', doc: 'while a rack is powered on' },
      { line: 'remuda host boot-log h7', doc: 'when each stage of its last boot began' }
    ],
    run: () => import('../run/boot-log.ts').then(module => module.showBootLog)
  },
  {
    noun: 'host',
    verb: 'logs',
    doc: 'Shows what a host that boots over the network has said, also when it is dead.',
    details: [
      'Its journal, and what its kernel says by itself (kernel:), which was not seen yet as one ' +
        'dies. bootd keeps the last of it for a few boots: "previous" is the one before the last.'
    ],
    positionals: [{ name: 'NAME', doc: 'Name of the host.', names: 'host' }],
    options: [
      { name: 'follow', short: 'f', type: 'flag', doc: 'Shows what comes as well, over boots.' },
      {
        name: 'since',
        type: 'duration',
        value: 'DURATION',
        doc: 'Only what came in the last so long. Unit: s unless given.'
      },
      {
        name: 'boot',
        type: 'text',
        value: 'BOOT',
        doc: 'Of which boot: current, previous, or a name from --boots.',
        default: 'current'
      },
      {
        name: 'lines',
        type: 'count',
        value: 'N',
        doc: 'How many lines at the end. Unit: count.',
        default: '200',
        minimum: 1,
        maximum: 5_000
      },
      { name: 'boots', type: 'flag', doc: 'Lists the boots of which there is a log.' }
    ],
    examples: [
      { line: 'remuda host logs h2 -f', doc: 'what happens on it now' },
      { line: 'remuda host logs h2 --boot previous', doc: 'its last words before it began anew' }
    ],
    run: () => import('../run/host-logs.ts').then(module => module.showHostLogs)
  },
  {
    noun: 'host',
    verb: 'boot-once',
    doc: 'Says what a host gets at its next boot over the network, and never again.',
    details: [
      'rescue: the host image with a shell and no agent; disk: its own disk; host: the host ' +
        'image, which takes back one of the others, or has a version tried anew that has failed.'
    ],
    positionals: [
      { name: 'NAME', doc: 'Name of the host.', names: 'host' },
      { name: 'PROFILE', doc: 'What it gets.', words: ['rescue', 'disk', 'host'] }
    ],
    examples: [{ line: 'remuda host boot-once h7 rescue', doc: 'to look at its disks' }],
    run: () => import('../run/boot.ts').then(module => module.bootOnce)
  }
]
