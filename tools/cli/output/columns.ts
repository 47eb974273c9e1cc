/** The columns of every kind's list, and how a user's choice of them is read. */
import type { Kind, ResourceDocument } from '#shared/model/index.ts'
import { UsageFault } from '../failure.ts'
import { closest } from '../suggest.ts'
import type { Cell, TableColumn } from './table.ts'
import { colourOf, typeOfField, type ValueType, valueAt, writeValue } from './values.ts'

/** One column of a list. */
export type Column = {
  /** As --columns takes it; the title is the same in capitals. */
  readonly name: string
  /** Field of the document. */
  readonly path: string
  readonly type: ValueType
  /** Only shown with -o wide. */
  readonly wide: boolean
}

const column = (name: string, path: string, type: ValueType = typeOfField(path)): Column => ({
  name,
  path,
  type,
  wide: false
})
const wide = (name: string, path: string, type?: ValueType): Column => ({
  ...column(name, path, type),
  wide: true
})

const name = column('name', 'name')
const phase = column('phase', 'status.phase')
const age = column('age', 'createdAt')
const id = wide('id', 'id')

const columnsOfKind: { readonly [K in Kind]: readonly Column[] } = {
  tenant: [
    name,
    phase,
    column('instances', 'status.instances'),
    column('memory', 'status.memoryMib'),
    column('vcpus', 'status.vcpus'),
    column('disk', 'status.diskMib'),
    wide('memory quota', 'spec.quota.memoryMib'),
    wide('vcpu quota', 'spec.quota.vcpus'),
    wide('disk quota', 'spec.quota.diskMib'),
    wide('instance quota', 'spec.quota.instances'),
    column('description', 'spec.description'),
    age,
    id
  ],
  host: [
    name,
    phase,
    column('instances', 'status.instances'),
    column('memory', 'status.memoryMib'),
    column('promised', 'status.memoryPromisedMib'),
    column('vcpus', 'status.vcpus'),
    column('heard', 'status.lastHeardAt'),
    age,
    wide('busy', 'status.use.cpuPercent'),
    wide('schedulable', 'spec.schedulable'),
    wide('fence', 'conditions.fence'),
    wide('kvm', 'status.facts.kvm.works'),
    wide('agent', 'status.agentVersion'),
    wide('kernel', 'status.facts.kernel'),
    wide('cpu', 'status.facts.cpu.model'),
    id
  ],
  pool: [
    name,
    phase,
    column('driver', 'spec.driver'),
    column('capacity', 'status.capacityMib'),
    column('free', 'status.freeMib'),
    column('promised', 'status.promisedMib'),
    column('shared', 'spec.shared'),
    age,
    wide('path', 'spec.path'),
    id
  ],
  volume: [
    name,
    phase,
    column('pool', 'spec.pool'),
    column('format', 'spec.format'),
    column('size', 'spec.sizeMib'),
    column('used', 'status.usedMib'),
    column('host', 'status.host'),
    column('instance', 'status.instance'),
    age,
    wide('image', 'spec.image'),
    id
  ],
  image: [
    name,
    phase,
    column('type', 'spec.type'),
    column('format', 'spec.format'),
    column('size', 'status.sizeBytes'),
    column('virtual', 'status.virtualMib'),
    column('hosts', 'status.hosts'),
    column('shared', 'spec.shared'),
    age,
    wide('sha256', 'status.sha256'),
    wide('source', 'spec.source'),
    id
  ],
  network: [
    name,
    phase,
    column('driver', 'spec.driver'),
    column('ports', 'status.ports'),
    column('nat', 'spec.nat'),
    column('uplink', 'spec.uplink'),
    column('shared', 'spec.shared'),
    age,
    wide('mtu', 'spec.mtu'),
    id
  ],
  subnet: [
    name,
    phase,
    column('network', 'spec.network'),
    column('cidr', 'spec.cidr'),
    column('gateway', 'status.gateway'),
    column('used', 'status.used'),
    column('addresses', 'status.addresses'),
    age,
    wide('dns', 'spec.dns'),
    id
  ],
  port: [
    name,
    phase,
    column('network', 'spec.network'),
    column('instance', 'spec.instance'),
    column('address', 'status.address'),
    column('mac', 'status.mac'),
    age,
    id
  ],
  instance: [
    name,
    column('type', 'spec.type'),
    phase,
    column('host', 'status.host'),
    column('vcpus', 'status.vcpus'),
    column('memory', 'status.memoryMib'),
    column('addresses', 'status.addresses'),
    age,
    wide('ready', 'conditions.ready'),
    wide('image', 'spec.image'),
    wide('runs', 'status.acceleration'),
    wide('starts', 'status.startCount'),
    id
  ],
  size: [name, column('vcpus', 'spec.vcpus'), column('memory', 'spec.memoryMib'), age, id],
  event: [
    column('last', 'status.lastAt'),
    column('severity', 'spec.severity'),
    column('subject', 'spec.subject'),
    column('reason', 'spec.reason'),
    column('count', 'status.count'),
    column('message', 'spec.message'),
    wide('source', 'spec.source'),
    wide('first', 'status.firstAt'),
    wide('name', 'name')
  ],
  job: [
    name,
    column('verb', 'spec.verb'),
    column('subject', 'spec.subject'),
    phase,
    column('percent', 'status.percent', 'percent'),
    column('message', 'status.message'),
    age,
    id
  ]
}

const everywhere: readonly Column[] = [
  column('tenant', 'tenant'),
  column('labels', 'labels'),
  column('generation', 'generation'),
  column('created', 'createdAt', 'text')
]

/** All columns that a kind knows by a short name. */
const knownColumns = (kind: Kind): readonly Column[] => [...columnsOfKind[kind], ...everywhere]

/** Chooses the columns of a list: the usual ones, or what was asked for. */
export function chooseColumns(
  kind: Kind,
  options: {
    readonly wide: boolean
    readonly withTenant: boolean
    readonly asked: string | undefined
  }
): readonly Column[] {
  const usual = [
    ...(options.withTenant ? [everywhere[0]!] : []),
    ...columnsOfKind[kind].filter(one => options.wide || !one.wide)
  ]
  const asked = (options.asked ?? '').split(',').filter(word => word !== '')
  if (asked.length === 0) return usual
  const added = asked.filter(word => word.startsWith('+'))
  const alone = asked.filter(word => !word.startsWith('+'))
  const base = alone.length === 0 ? usual : alone.map(word => findColumn(kind, word))
  return [...base, ...added.map(word => findColumn(kind, word.slice(1)))]
}

function findColumn(kind: Kind, word: string): Column {
  const known = knownColumns(kind)
  const found = known.find(one => one.name === word || one.path === word)
  if (found) return found
  if (word.includes('.')) return column(word, word)
  const meant = closest(
    word,
    known.map(one => one.name)
  )
  throw new UsageFault(`cannot find the column "${word}"`, {
    reasons: [
      `${kind} has ${known.map(one => one.name).join(', ')}`,
      'any field can be named by its path, such as spec.image or labels.app'
    ],
    next: meant === undefined ? [`remuda explain ${kind}`] : [`did you mean ${meant}?`]
  })
}

/** What lists are sorted by where nothing is asked for: what happens by time, things by name. */
const usualOrder = (kind: Kind): string => {
  if (kind === 'event') return 'status.lastAt'
  return kind === 'job' ? 'createdAt' : 'name'
}

/** Turns columns into the fields that the API sorts by. */
export function sortFields(kind: Kind, asked: string | undefined): string {
  if (asked === undefined) return usualOrder(kind)
  return asked
    .split(',')
    .filter(word => word !== '')
    .map(word => {
      const turned = word.startsWith('-')
      const { path } = findColumn(kind, turned ? word.slice(1) : word)
      return turned ? `-${path}` : path
    })
    .join(',')
}

const counts = /^(instances|vcpus|ports|hosts|used|addresses|starts|count|percent|generation)$/

/** Heads of the columns. */
export const headsOf = (columns: readonly Column[]): readonly TableColumn[] =>
  columns.map(one => ({
    title: one.name.toUpperCase(),
    right: one.type === 'mib' || one.type === 'bytes' || isCount(one),
    wraps: sentences.has(one.name)
  }))

/** Columns that hold sentences. */
const sentences: ReadonlySet<string> = new Set(['message', 'description'])

const isCount = (one: Column): boolean =>
  counts.test(one.name) && one.path !== 'status.addresses' && one.type !== 'moment'

/** One row of a list. */
export const rowOf = (
  document: ResourceDocument,
  columns: readonly Column[],
  now: number
): readonly Cell[] =>
  columns.map(one => {
    const value = valueAt(document, one.path)
    const text = one.name === 'labels' ? writeLabels(value) : writeValue(value, one.type, now)
    const colour = /phase|severity|conditions/.test(one.path) ? colourOf(text) : undefined
    return colour === undefined ? { text } : { text, colour }
  })

/** Labels as people give them: a=1,b=2. */
export const writeLabels = (labels: unknown): string =>
  Object.entries((labels ?? {}) as Readonly<Record<string, string>>)
    .map(([key, value]) => `${key}=${value}`)
    .join(',')
