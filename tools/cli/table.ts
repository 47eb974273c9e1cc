/** All commands, in the order of the help. */
import type { Command, Noun } from './command.ts'
import { size, tenant, token } from './commands/access.ts'
import { anyCommands } from './commands/any.ts'
import { balance } from './commands/balance.ts'
import { bmc } from './commands/bmc.ts'
import { boot, hostImage } from './commands/boot.ts'
import { capacity } from './commands/capacity.ts'
import { cluster } from './commands/cluster.ts'
import { ha } from './commands/ha.ts'
import { host } from './commands/host.ts'
import { image } from './commands/image.ts'
import { instance, shortcuts } from './commands/instance.ts'
import { lab } from './commands/lab.ts'
import { agent, completion, doctor, status, version } from './commands/machine.ts'
import { network, port, subnet } from './commands/network.ts'
import { explainPlacement, place, placement } from './commands/placement.ts'
import { power } from './commands/power.ts'
import { secret } from './commands/secret.ts'
import { pool, volume } from './commands/storage.ts'

/** A part of the help. */
export type Section = {
  readonly title: string
  readonly nouns: readonly Noun[]
  readonly commands: readonly Command[]
}

/** Everything that there is, in the parts of the help. */
export const sections: readonly Section[] = [
  {
    title: 'Start here',
    nouns: [],
    commands: [status, capacity, place, doctor, version, completion]
  },
  {
    title: 'Resources',
    nouns: [host, instance, image, volume, pool, network, subnet, port, size, tenant, token],
    commands: []
  },
  { title: 'Shortcuts', nouns: [], commands: shortcuts },
  { title: 'Any resource', nouns: [], commands: [...anyCommands, explainPlacement] },
  {
    title: 'Cluster',
    nouns: [cluster, ha, balance, placement, boot, hostImage, power, bmc, secret],
    commands: []
  },
  { title: 'This machine', nouns: [agent, lab], commands: [] }
]

/** The same, for reading a command line. */
export const table = {
  nouns: sections.flatMap(section => section.nouns),
  /** Commands without a noun. */
  alone: sections.flatMap(section => section.commands)
}

/** Every command there is. */
export const allCommands: readonly Command[] = [
  ...table.alone,
  ...table.nouns.flatMap(noun => noun.commands)
]
