import type { Command, Option } from '../command.ts'
import { dryRunOption, waitOptions, watchOption, yesOption } from '../options.ts'
import { nameOfOne } from './common.ts'

const text = (name: string, value: string, doc: string): Option => ({
  ...{ name, type: 'text', value, doc }
})

const deviceOptions: readonly Option[] = [
  text('ipmi', 'ADDRESS', 'A baseboard controller that speaks IPMI 2.0.'),
  text('redfish', 'URL', 'A baseboard controller that speaks Redfish, such as https://10.0.0.7.'),
  text(
    'agent',
    'PROGRAM',
    "One of Debian's fence agents that reads power, such as fence_apc_snmp."
  ),
  text('pdu', 'ADDRESS', 'A power strip that feeds the host, with --agent and each --outlet.'),
  {
    name: 'outlet',
    type: 'text',
    value: 'PLUG',
    repeatable: true,
    doc: 'An outlet of the strip that feeds the host; all must be named.'
  },
  text('user', 'NAME', 'User of the device.'),
  text('secret', 'NAME', 'Secret that is its password, from: remuda secret set.'),
  {
    name: 'port',
    type: 'count',
    value: 'N',
    doc: 'UDP port of IPMI. Unit: number.',
    default: '623',
    minimum: 1,
    maximum: 65_535
  },
  text('system', 'PATH', 'Path or id of the Redfish system, where it has several.'),
  text('fingerprint', 'SHA256', 'SHA-256 of its certificate, where no authority has signed it.'),
  {
    name: 'basic',
    type: 'flag',
    doc: 'Redfish without a session: the password with each request.'
  },
  {
    name: 'parameter',
    type: 'pair',
    value: 'KEY=VALUE',
    repeatable: true,
    doc: 'What a fence agent is told, by the names of its manual.'
  },
  {
    name: 'secret-parameter',
    type: 'pair',
    value: 'KEY=NAME',
    repeatable: true,
    doc: 'A parameter whose value is a secret, such as community=pdu.'
  }
]

const set: Command = {
  noun: 'host',
  verb: 'fence set',
  doc: 'Sets the devices that cut the power of a host and say that it is off.',
  details: [
    'Levels are tried in order, and all devices of a level must read off. A command sets one ' +
      'level; a file sets all, as a list of levels with their devices. Two controllers of one ' +
      'power supply belong on levels of their own.',
    'It waits until each device was asked once, and fails if none could do it. It is set then ' +
      'all the same, and shows in: remuda ha status.'
  ],
  positionals: [nameOfOne('host')],
  options: [
    ...deviceOptions,
    {
      name: 'level',
      type: 'count',
      value: 'N',
      doc: 'The level that is set. Unit: number.',
      default: '1',
      minimum: 1,
      maximum: 4
    },
    {
      name: 'file',
      short: 'f',
      type: 'text',
      value: 'FILE',
      doc: 'YAML or JSON file with all levels; - reads standard input.'
    },
    {
      name: 'after-fence',
      type: 'text',
      value: 'POWER',
      words: ['on', 'off'],
      doc: 'Whether it is switched on again once its instances are safe.',
      default: 'on'
    },
    dryRunOption,
    ...waitOptions
  ],
  examples: [
    {
      line: 'remuda host fence set h2 --ipmi 10.0.9.2 --user remuda --secret bmc',
      doc: 'its baseboard controller'
    },
    {
      line:
        'remuda host fence set h2 --level 2 --pdu 10.0.9.100 --agent fence_apc_snmp ' +
        '--outlet 3 --outlet 7 --secret-parameter community=pdu',
      doc: 'and both outlets, where that is silent'
    },
    { line: 'remuda host fence set h2 -f levels.yaml', doc: 'all levels' }
  ],
  run: () => import('../run/fence.ts').then(module => module.setFence)
}

/** Commands about the devices that fence a host, for the noun `host`. */
export const fenceCommands: readonly Command[] = [
  set,
  {
    noun: 'host',
    verb: 'fence show',
    doc: 'Shows what the fence devices of a host read, and what would be done if it died.',
    positionals: [nameOfOne('host')],
    options: [watchOption],
    examples: [{ line: 'remuda host fence show h2', doc: 'do its devices answer?' }],
    run: () => import('../run/fence.ts').then(module => module.showFence)
  },
  {
    noun: 'host',
    verb: 'fence test',
    doc: 'Tests the fence of a host: what would be done, or, with --really, by doing it.',
    details: [
      'Without --really nothing is switched: each device is asked now, and the plan is shown. It ' +
        'fails where one could not be asked.',
      'With --really its power is cut, read off twice, and given back. The host must be out of ' +
        'service and empty (remuda host drain), or --force cuts its power under what runs.',
      'The first level that works proves it. With --level that very one must: where it fails ' +
        'those behind it are still tried, but the test has failed.'
    ],
    positionals: [nameOfOne('host')],
    options: [
      {
        name: 'really',
        type: 'flag',
        doc: 'Cuts its power, and gives it back; asks for its name.'
      },
      {
        name: 'level',
        type: 'count',
        value: 'N',
        doc: 'With --really: the level that must prove it; none before it is tried. Unit: number.',
        minimum: 1,
        maximum: 4
      },
      { name: 'force', type: 'flag', doc: 'Also of a host that is in service.' },
      yesOption,
      ...waitOptions.map(option =>
        option.name === 'timeout' ? { ...option, default: '5m' } : option
      )
    ],
    examples: [
      { line: 'remuda host fence test h2', doc: 'what would be done' },
      { line: 'remuda host fence test h2 --really', doc: 'once for each new host' },
      {
        line: 'remuda host fence test h2 --really --level 2',
        doc: 'and each further level'
      }
    ],
    run: () => import('../run/fence-test.ts').then(module => module.testFence)
  },
  {
    noun: 'host',
    verb: 'fence courtesy',
    doc: 'Sets how a host is asked to power off while its fence devices cut its power.',
    details: [
      'If it lives and only we cannot hear it, it may write what it has not written yet. Nobody ' +
        'waits for it, and it proves nothing.',
      'Its host key: ssh-keyscan ADDRESS | ssh-keygen -lf -'
    ],
    positionals: [nameOfOne('host')],
    options: [
      text('ssh', 'ADDRESS', 'Where its SSH server listens.'),
      {
        name: 'port',
        type: 'count',
        value: 'N',
        doc: 'TCP port of its SSH server. Unit: number.',
        default: '22',
        minimum: 1,
        maximum: 65_535
      },
      { ...text('user', 'NAME', 'User who may switch it off.'), default: 'root' },
      text(
        'secret',
        'NAME',
        'Secret that is its password, or an OpenSSH private key without its first and last line.'
      ),
      text('host-key', 'SHA256', 'Its host key; with another one it is not asked.'),
      text('command', 'LINE', 'What is run there; left out: systemctl poweroff.'),
      { name: 'none', type: 'flag', doc: 'It is not asked any more.' },
      dryRunOption
    ],
    examples: [
      {
        line:
          'remuda host fence courtesy h2 --ssh 10.0.0.2 --secret h2-ssh ' +
          '--host-key SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU',
        doc: 'as root'
      },
      { line: 'remuda host fence courtesy h2 --none', doc: 'not any more' }
    ],
    run: () => import('../run/fence-courtesy.ts').then(module => module.setCourtesy)
  },
  {
    noun: 'host',
    verb: 'fence self',
    doc: 'Sets after how long without a controller a host ends what others could start.',
    details: [
      'For a host whose devices may die with it, or that has none. It needs a watchdog of ' +
        'hardware, which resets it if it cannot end them, and which nobody can stop once it runs.',
      'Its instances start elsewhere 1.02 × limit + 1 s after it was last heard, or later where ' +
        'its watchdog takes longer than the limit less 5 s. If no controller can be reached for ' +
        'so long, they end, and wait for one.'
    ],
    positionals: [nameOfOne('host')],
    options: [
      {
        name: 'limit',
        type: 'duration',
        value: 'DURATION',
        doc: 'The longest time without a controller. Unit: s unless given.',
        minimum: 15_000,
        maximum: 600_000
      },
      { name: 'none', type: 'flag', doc: 'It never ends anything by itself.' },
      dryRunOption
    ],
    examples: [
      { line: 'remuda host fence self h2 --limit 20s', doc: 'with or without a device' },
      { line: 'remuda host fence self h2 --none', doc: 'not any more' }
    ],
    run: () => import('../run/fence-self.ts').then(module => module.setSelfFence)
  },
  {
    noun: 'host',
    verb: 'fence clear',
    doc: 'Takes all fence devices of a host away, after asking.',
    positionals: [nameOfOne('host')],
    options: [yesOption, dryRunOption],
    examples: [{ line: 'remuda host fence clear h2', doc: 'if it dies, an operator must say so' }],
    run: () => import('../run/fence.ts').then(module => module.clearFence)
  }
]
