import type { Command, Noun, Option, Positional } from '../command.ts'
import { watchOption } from '../options.ts'

const host: Positional = { name: 'HOST', doc: 'Name of a host of the lab, such as h2.' }
const daemonWords = [
  'virtlogd',
  'virtlockd',
  'libvirtd',
  'zookeeper',
  'bootd',
  'controller',
  'agent'
]
const daemon: Option = {
  name: 'daemon',
  type: 'text',
  value: 'NAME',
  words: daemonWords,
  doc: 'Only this daemon, not the whole host.'
}
const folder = [
  'The lab is in /var/lib/remuda-lab, or in the folder that --state or REMUDA_LAB names.'
]

const up: Command = {
  noun: 'lab',
  verb: 'up',
  doc: 'Makes hosts out of this machine, with a cloud on them.',
  details: [
    'Each host is a set of namespaces with its own libvirtd, agent, boot id and name, ' +
      'on a common bridge; the first ones may be controller. It needs root, and a checkout.',
    ...folder
  ],
  options: [
    {
      name: 'hosts',
      type: 'count',
      value: 'COUNT',
      doc: 'How many. Unit: count.',
      default: '3',
      minimum: 1,
      maximum: 32
    },
    { name: 'solo', type: 'flag', doc: 'One controller with the embedded journal, no ensemble.' },
    { name: 'subnet', type: 'text', value: 'CIDR', doc: 'Addresses of hosts, a /24.' },
    { name: 'instances', type: 'text', value: 'CIDR', doc: 'Addresses of instances.' },
    { name: 'kvm', type: 'flag', doc: "Shows the machine's /dev/kvm to the hosts." },
    {
      name: 'netboot',
      type: 'count',
      value: 'N',
      doc: 'Bare machines that boot over the network from the first host. Unit: count.',
      default: '0',
      minimum: 0,
      maximum: 8
    },
    {
      name: 'host-images',
      type: 'text',
      value: 'DIR',
      doc: 'Versions of the host image that they boot, with image.key.',
      default: 'one that is built'
    },
    {
      name: 'bmc',
      type: 'text',
      value: 'TYPE',
      words: ['lab', 'ipmi', 'redfish', 'mixed'],
      default: 'lab',
      doc:
        'By what hosts are fenced: a switch of the lab, or baseboard controllers that speak IPMI ' +
        'and Redfish; mixed: all three by turns.'
    },
    {
      name: 'management',
      type: 'text',
      value: 'CIDR',
      doc: 'Addresses of baseboard controllers, a /24.'
    },
    { name: 'clocks', type: 'flag', doc: 'Lets wall clocks be moved; needs libfaketime.' },
    { name: 'locks', type: 'flag', doc: 'Has virtlockd lock the volumes of pool shared.' },
    {
      name: 'watchdog',
      type: 'duration',
      value: 'DURATION',
      doc: 'Gives hosts watchdogs, which reset one not pet for so long. Unit: s unless given.',
      minimum: 4_000,
      maximum: 120_000
    },
    {
      name: 'qemu',
      type: 'text',
      value: 'FOLDER',
      doc: 'Gives hosts the QEMU unpacked there, as by npm run qemu.'
    }
  ],
  examples: [
    { line: 'remuda lab up', doc: 'three hosts' },
    { line: 'remuda lab up --hosts 2 --solo', doc: 'quicker: one controller that stays' },
    { line: 'remuda lab up --hosts 5 --bmc ipmi', doc: 'each with a controller to fence it by' }
  ],
  run: () => import('../run/lab-up.ts').then(module => module.labUp)
}

const partition: Command = {
  noun: 'lab',
  verb: 'partition',
  doc: 'Cuts groups of hosts off from each other, or hosts from a service.',
  details: [
    'Frames between the groups vanish, as with a pulled cable; open connections hang. The ' +
      'machine still reaches all of them. With --from, programs on the hosts cannot reach that ' +
      'service anywhere, not even on their own host, and all else goes on. Cuts add up until ' +
      '"lab heal".'
  ],
  positionals: [
    { name: 'GROUP', doc: 'Hosts with commas; | or a space stands between groups.', many: true }
  ],
  options: [
    {
      name: 'from',
      type: 'text',
      value: 'SERVICE',
      words: ['zookeeper', 'ensemble', 'agents', 'api'],
      doc: 'Cuts only the traffic to this service.'
    },
    {
      name: 'one-way',
      type: 'flag',
      doc: 'Drops only what the earlier groups send to later ones, or what is sent to the service.'
    }
  ],
  examples: [
    { line: "remuda lab partition 'h1,h2 | h3'", doc: 'h3 is alone' },
    { line: 'remuda lab partition h1 --from zookeeper', doc: 'its agents still hear it' },
    { line: 'remuda lab partition h1 --from agents', doc: 'it still leads, and reaches no host' }
  ],
  run: () => import('../run/lab-faults.ts').then(module => module.labPartition)
}

const power: Command = {
  noun: 'lab',
  verb: 'power',
  doc: 'Turns the power switch of a host.',
  details: ['off is a power cut: every process of the host is killed at once.'],
  positionals: [
    { name: 'SWITCH', doc: 'on, off or cycle.', words: ['on', 'off', 'cycle'] },
    { ...host, many: true }
  ],
  options: [
    {
      name: 'with-bmc',
      type: 'flag',
      doc: 'With off: its baseboard controller is fed by the same plug.'
    }
  ],
  examples: [
    { line: 'remuda lab power off h2', doc: 'pulls the plug' },
    { line: 'remuda lab power on h2', doc: 'it boots, with a new boot id' }
  ],
  run: () => import('../run/lab-faults.ts').then(module => module.labPower)
}

const bmc: Command = {
  noun: 'lab',
  verb: 'bmc',
  doc: 'Gives the baseboard controller of a host other manners.',
  details: [
    'slow answers a second later and switches after some more; lying says that it has switched, ' +
      'and has not; dead is not heard any more. Only in a lab that was made with --bmc.'
  ],
  positionals: [
    host,
    { name: 'MANNER', doc: 'ok, slow, lying or dead.', words: ['ok', 'slow', 'lying', 'dead'] }
  ],
  examples: [
    { line: 'remuda lab bmc h2 dead', doc: 'an alarm, and nothing to fence h2 by' },
    { line: 'remuda lab bmc h2 ok', doc: 'it answers again' }
  ],
  run: () => import('../run/lab-faults.ts').then(module => module.labBmc)
}

const pause = (verb: 'pause' | 'resume', doc: string): Command => ({
  noun: 'lab',
  verb,
  doc,
  positionals: [host],
  options: [daemon],
  examples: [
    { line: `remuda lab ${verb} h1`, doc: 'the whole host, its instances included' },
    { line: `remuda lab ${verb} h1 --daemon controller`, doc: 'only one daemon' }
  ],
  run: () => import('../run/lab-faults.ts').then(module => module.labPause(verb))
})

const daemonOf = (verb: 'stop' | 'start', doc: string): Command => ({
  noun: 'lab',
  verb,
  doc,
  positionals: [host, { name: 'DAEMON', doc: 'One of its daemons.', words: daemonWords }],
  examples: [
    { line: `remuda lab ${verb} h1 zookeeper`, doc: 'its server of the ensemble' },
    { line: `remuda lab ${verb} h1 controller`, doc: 'its candidate' }
  ],
  run: () => import('../run/lab-faults.ts').then(module => module.labDaemon(verb))
})

/** Commands of the lab. */
export const lab: Noun = {
  noun: 'lab',
  doc: 'Many hosts on this one machine, to try things out and to break them.',
  commands: [
    up,
    {
      noun: 'lab',
      verb: 'status',
      doc: 'Shows the hosts of the lab, their power and their daemons.',
      details: folder,
      options: [watchOption],
      examples: [{ line: 'remuda lab status', doc: 'what runs where' }],
      run: () => import('../run/lab.ts').then(module => module.labStatus)
    },
    power,
    bmc,
    partition,
    {
      noun: 'lab',
      verb: 'heal',
      doc: 'Takes all partitions and slow links back.',
      examples: [{ line: 'remuda lab heal', doc: 'all hosts reach each other again' }],
      run: () => import('../run/lab-faults.ts').then(module => module.labHeal)
    },
    {
      noun: 'lab',
      verb: 'slow',
      doc: 'Makes the links of a host slow or lossy.',
      positionals: [host],
      options: [
        {
          name: 'delay',
          type: 'duration',
          value: 'DURATION',
          doc: 'In each direction. Unit: s unless given.'
        },
        { name: 'loss', type: 'text', value: 'SHARE', doc: 'Share that is lost, such as 5%.' }
      ],
      examples: [{ line: 'remuda lab slow h2 --delay 200ms --loss 5%', doc: 'a bad line' }],
      run: () => import('../run/lab-faults.ts').then(module => module.labSlow)
    },
    pause('pause', 'Stops a host or a daemon where it stands.'),
    pause('resume', 'Lets a paused host or daemon go on.'),
    daemonOf('stop', 'Ends a daemon of a host, which stays ended.'),
    daemonOf('start', 'Starts a daemon that was stopped.'),
    {
      noun: 'lab',
      verb: 'clock',
      doc: "Moves the wall clock of a host's daemons.",
      details: ['Only in a lab that was made with --clocks: the kernel has but one wall clock.'],
      positionals: [host, { name: 'BY', doc: 'How far, such as +90s; back: -- -90s.' }],
      examples: [{ line: 'remuda lab clock h2 +90s', doc: 'it is ahead of the others' }],
      run: () => import('../run/lab-faults.ts').then(module => module.labClock)
    },
    {
      noun: 'lab',
      verb: 'logs',
      doc: 'Shows the logs of a host.',
      positionals: [
        host,
        { name: 'DAEMON', doc: 'Only of this daemon.', optional: true, words: daemonWords }
      ],
      options: [
        { name: 'follow', short: 'f', type: 'flag', doc: 'Stays, and shows what comes.' },
        {
          name: 'lines',
          type: 'count',
          value: 'COUNT',
          doc: 'How many. Unit: lines.',
          default: '40'
        }
      ],
      examples: [{ line: 'remuda lab logs h1 controller -f', doc: 'what the controller decides' }],
      run: () => import('../run/lab.ts').then(module => module.labLogs)
    },
    {
      noun: 'lab',
      verb: 'run',
      doc: 'Runs a command on a host, or at the switch between them.',
      positionals: [
        { name: 'HOST', doc: 'Name of a host, or "switch".' },
        { name: 'COMMAND', doc: 'A command with its arguments, after --.', many: true }
      ],
      examples: [
        { line: 'remuda lab run h2 -- virsh -c lxc:///system list', doc: "on h2's own libvirt" },
        { line: 'remuda lab run switch -- wget -qO- http://10.78.0.2', doc: 'to an instance' }
      ],
      run: () => import('../run/lab.ts').then(module => module.labRun)
    },
    {
      noun: 'lab',
      verb: 'down',
      doc: 'Takes the lab away, with all that is in it.',
      details: ['It also clears away what a lab left that was killed half-way.', ...folder],
      examples: [{ line: 'remuda lab down', doc: 'as if it had never been' }],
      run: () => import('../run/lab.ts').then(module => module.labDown)
    }
  ]
}
