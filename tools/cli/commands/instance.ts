import type { Command, Noun, Option } from '../command.ts'
import { fieldOption } from '../field-option.ts'
import { dryRunOption, labelOption, paceOptions, waitOptions } from '../options.ts'
import {
  deleteCommand,
  listCommand,
  nameOfOne,
  namesOfSeveral,
  newName,
  showCommand
} from './common.ts'
import { placingOptions } from './placing.ts'

/** What `create` and `resize` share. */
const shape: readonly Option[] = [
  fieldOption({ field: 'instance.memoryMib', name: 'memory', adds: 'Such as 128MiB or 2GiB.' }),
  fieldOption({ field: 'instance.vcpus', name: 'vcpus' }),
  fieldOption({ field: 'instance.size', name: 'size', names: 'size' })
]

/** When it counts as ready for those that come after it. */
const readinessOptions: readonly Option[] = [
  fieldOption({ field: 'instance.readiness.tcp', name: 'ready-tcp', value: 'PORT' }),
  fieldOption({ field: 'instance.readiness.guestAgent', name: 'ready-guest-agent' }),
  fieldOption({ field: 'instance.readiness.phoneHome', name: 'ready-phone-home' }),
  fieldOption({ field: 'instance.readiness.timeoutMs', name: 'ready-within' }),
  fieldOption({ field: 'instance.readiness.late', name: 'ready-late', value: 'WORD' })
]

const create: Command = {
  noun: 'instance',
  verb: 'create',
  aliases: ['add'],
  doc: 'Creates an instance, a VM or a container, and starts it.',
  details: [
    'It is placed on a host with room, gets a root volume made from the image and a port in each ' +
      'network. The command waits until it runs; --no-wait returns at once.'
  ],
  positionals: [newName('instance')],
  options: [
    fieldOption({ field: 'instance.image', name: 'image', names: 'image' }),
    ...shape,
    fieldOption({ field: 'instance.type', name: 'type' }),
    fieldOption({
      field: 'instance.ports[].network',
      name: 'network',
      names: 'network',
      adds: 'Several give several ports; "none": no port.',
      default: 'default'
    }),
    fieldOption({
      field: 'instance.ports[].address',
      name: 'address',
      adds: 'The first goes with the first network, and so on.'
    }),
    fieldOption({ field: 'instance.volumes', name: 'volume', names: 'volume' }),
    fieldOption({
      field: 'instance.sshKeys',
      name: 'ssh-key',
      value: 'FILE|TEXT',
      adds: 'The file that holds them, or a key itself.'
    }),
    fieldOption({
      field: 'instance.userData',
      name: 'user-data',
      value: 'FILE',
      adds: 'The file that holds it; - reads standard input.'
    }),
    fieldOption({ field: 'instance.rootMib', name: 'root' }),
    fieldOption({ field: 'instance.pool', name: 'pool', names: 'pool' }),
    fieldOption({ field: 'instance.host', name: 'host', names: 'host' }),
    fieldOption({ field: 'instance.priority', name: 'priority' }),
    fieldOption({ field: 'instance.after', name: 'after', names: 'instance' }),
    ...readinessOptions,
    fieldOption({ field: 'instance.highlyAvailable', name: 'no-ha' }),
    fieldOption({ field: 'instance.desiredPower', name: 'power', value: 'STATE' }),
    fieldOption({ field: 'instance.restart.policy', name: 'restart', value: 'POLICY' }),
    fieldOption({ field: 'instance.stopGraceMs', name: 'stop-grace' }),
    fieldOption({ field: 'instance.migration.downtimeMs', name: 'downtime' }),
    fieldOption({ field: 'instance.cpuBaseline', name: 'cpu-baseline' }),
    ...placingOptions,
    labelOption,
    dryRunOption,
    ...waitOptions
  ],
  examples: [
    { line: 'remuda instance create web --image debian --memory 512MiB', doc: 'a VM' },
    {
      line: 'remuda instance create box --type container --image busybox --memory 64MiB --no-wait',
      doc: 'a container, without waiting for it'
    },
    {
      line: 'remuda vm create db --image debian --size small --ssh-key ~/.ssh/id.pub --root 10GiB',
      doc: 'a named shape, a key to log in with, a larger root'
    },
    {
      line: 'remuda instance create db --image debian --size small --ready-tcp 5432',
      doc: 'those after it start once it takes calls there'
    },
    {
      line: 'remuda instance create app --image debian --size small --after db --no-wait',
      doc: 'starts once db is ready'
    },
    {
      line: 'remuda instance create web-1 --image debian --size small --apart web@rack',
      doc: 'never two of group web on one rack'
    },
    {
      line: 'remuda instance create web --image debian --memory 512MiB --dry-run',
      doc: 'says where it would go, and why'
    }
  ],
  run: () => import('../run/instance-create.ts').then(module => module.createInstance)
}

const force: Option = { name: 'force', type: 'flag', doc: 'At once, as by pulling the plug.' }

const verb = (
  word: 'start' | 'stop' | 'pause' | 'resume' | 'restart',
  doc: string,
  details: readonly string[] = []
): Command => ({
  noun: 'instance',
  verb: word,
  doc,
  details,
  positionals: [namesOfSeveral('instance')],
  options: [
    ...(word === 'stop' || word === 'restart' ? [force] : []),
    dryRunOption,
    ...waitOptions
  ],
  examples: [
    { line: `remuda instance ${word} web`, doc: 'waits until it is so' },
    { line: `remuda instance ${word} web db --no-wait`, doc: 'several, without waiting' }
  ],
  run: () => import('../run/instance-power.ts').then(module => module.changePower(word))
})

const migrate: Command = {
  noun: 'instance',
  verb: 'migrate',
  aliases: ['move'],
  doc: 'Moves an instance to another host.',
  details: [
    'A running VM goes on running while it moves; --cold shuts it down and starts it there, ' +
      'which is the only way for a container. A stopped one just changes its host. All its ' +
      'volumes must be in pools that both hosts see.',
    'The command waits until it is there, and fails with the reason when it stays where it was.'
  ],
  positionals: [nameOfOne('instance')],
  options: [
    {
      name: 'to',
      type: 'text',
      value: 'HOST',
      names: 'host',
      doc: 'The host that it goes to; chosen when left out.'
    },
    { name: 'live', type: 'flag', doc: 'Only while it runs: refuses what would have to stop.' },
    { name: 'cold', type: 'flag', doc: 'Shuts it down first, and starts it there.' },
    { name: 'cancel', type: 'flag', doc: 'Lets it stay after all.' },
    ...paceOptions,
    dryRunOption,
    ...waitOptions
  ],
  examples: [
    { line: 'remuda instance migrate web --to h3', doc: 'while it runs' },
    { line: 'remuda instance migrate box --cold', doc: 'a container, to any host with room' },
    { line: 'remuda instance migrate web --to h3 --dry-run', doc: 'says whether it could' },
    { line: 'remuda instance migrate web --cancel', doc: 'call it back' }
  ],
  run: () => import('../run/instance-migrate.ts').then(module => module.migrateInstance)
}

const consoleCommand: Command = {
  noun: 'instance',
  verb: 'console',
  doc: "Attaches this terminal to an instance's serial console.",
  details: [
    'Ctrl-] followed by q or . leaves; Ctrl-] twice sends one Ctrl-].',
    'Without a terminal, standard input is sent as it is and what comes back is written out; ' +
      'when the input ends, it goes on reading for as long as --linger says.'
  ],
  positionals: [nameOfOne('instance')],
  options: [
    {
      name: 'linger',
      type: 'duration',
      value: 'DURATION',
      doc: 'How long to go on reading once piped input has ended. Unit: s unless given.',
      default: '1s'
    }
  ],
  examples: [
    { line: 'remuda instance console web', doc: 'Ctrl-] q leaves' },
    { line: "printf 'uptime\\n' | remuda instance console web", doc: 'types for you' }
  ],
  run: () => import('../run/console.ts').then(module => module.openConsole)
}

const log: Command = {
  noun: 'instance',
  verb: 'log',
  doc: 'Writes the last 64 KiB that an instance wrote to its console.',
  positionals: [nameOfOne('instance')],
  options: [
    { name: 'follow', short: 'f', type: 'flag', doc: 'Stays, and writes what comes.' },
    {
      name: 'raw',
      type: 'flag',
      doc: 'Leaves control characters in, as the instance wrote them.'
    }
  ],
  examples: [
    { line: 'remuda instance log web', doc: 'how did it boot?' },
    { line: 'remuda instance log web -f', doc: 'watch it' }
  ],
  run: () => import('../run/console-log.ts').then(module => module.writeConsoleLog)
}

const resize: Command = {
  noun: 'instance',
  verb: 'resize',
  doc: 'Changes the memory and processors of an instance.',
  details: [
    'A running instance takes on its new size at its next start: "instance restart" does it.'
  ],
  positionals: [nameOfOne('instance')],
  options: [...shape, dryRunOption],
  examples: [
    { line: 'remuda instance resize web --memory 1GiB', doc: 'more memory' },
    { line: 'remuda instance resize web --size large', doc: 'a named shape instead' }
  ],
  run: () => import('../run/instance-resize.ts').then(module => module.resizeInstance)
}

const alone = (command: Command): Command => {
  const { noun, ...rest } = command
  const inFull = `${noun} ${rest.verb}`
  return {
    ...rest,
    details: [...(rest.details ?? []), `The same as "${inFull}".`],
    examples: rest.examples.map(({ line, doc }) => ({
      line: line.replace(inFull, rest.verb),
      doc
    }))
  }
}

/** Commands of instances that are typed so often that their noun may be left out. */
export const shortcuts: readonly Command[] = [alone(consoleCommand), alone(log)]

/** Commands of instances. */
export const instance: Noun = {
  noun: 'instance',
  aliases: ['instances', 'vm', 'vms'],
  doc: 'VMs and containers.',
  commands: [
    create,
    listCommand('instance'),
    showCommand('instance', 'web'),
    verb('start', 'Starts instances.'),
    verb('stop', 'Stops instances: asks them to shut down.', [
      'An instance that does not listen goes on running; --force pulls its plug.'
    ]),
    verb('pause', 'Freezes instances: they keep their memory and use no processor.'),
    verb('resume', 'Lets paused instances go on.'),
    verb('restart', 'Stops instances and starts them again.'),
    resize,
    migrate,
    deleteCommand('instance', {
      example: 'web',
      details: [
        'Its root volume, made for it, goes with it; volumes that it was given with --volume stay.'
      ]
    }),
    consoleCommand,
    log
  ]
}
