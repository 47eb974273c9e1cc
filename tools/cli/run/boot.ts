/** How machines boot over the network: settings, versions of the image, machines to come. */
import { readFile } from 'node:fs/promises'
import { Fault } from '#shared/fault.ts'
import type { HostImageManifest } from '#shared/model/host-image.ts'
import { formatMib } from '#shared/units.ts'
import { readJson, sayVerb } from '../api/resources.ts'
import { UsageFault } from '../failure.ts'
import type { Invocation } from '../invocation.ts'
import { renderRaw, renderRows } from '../output/results.ts'
import { oneLine } from '../terminal.ts'
import { referenceTo } from './outcome.ts'

/** What the API says of how machines boot. */
export type BootSaid = {
  readonly current?: string
  readonly previous?: string
  readonly canary?: { readonly version: string; readonly percent: number }
  readonly unknown: 'wait' | 'nothing'
  readonly policy?: {
    readonly usesLeft: number
    readonly expiresAt?: string
    readonly subnets?: readonly string[]
  }
  readonly imageKey?: string
  readonly sshKeys: readonly string[]
  readonly kernelOptions?: string
  readonly joinWithinS: number
  readonly peers: boolean
  readonly expected: readonly {
    readonly name: string
    readonly uuid?: string
    readonly serial?: string
    readonly macs: readonly string[]
    readonly version?: string
  }[]
  readonly bootds: readonly {
    readonly name: string
    readonly mode: string
    readonly url?: string
    readonly problem?: string
    readonly foreign: readonly { readonly address: string }[]
  }[]
}

type ImageSaid = HostImageManifest & {
  readonly role: string
  readonly percent?: number
  readonly bootds: readonly string[]
  readonly problems: readonly string[]
  readonly wanted: readonly string[]
  readonly running: readonly string[]
}

const path = '/v1/boot'

/** Shows what machines get when they boot, and who serves them. */
export async function showBoot(invocation: Invocation): Promise<void> {
  const doing = 'show how machines boot'
  const api = await invocation.connect()
  const answer = await api.ask({ method: 'GET', path, doing, signal: invocation.signal })
  const said = readJson(answer, doing) as BootSaid
  invocation.write((await renderRaw(invocation, said)) ?? describe(invocation, said))
}

/** Where no version was current before this one, or the one after it was rolled back. */
const nonePrevious = 'none: promote another one to have a version to fall back to'

function describe(invocation: Invocation, said: BootSaid): string {
  const { paint } = invocation
  const { canary, previous, expected, bootds } = said
  const rows: readonly (readonly [string, string])[] = [
    ['image', said.current ?? 'none: remuda host-image list, remuda host-image promote VERSION'],
    ...(canary ? [['canary', `${canary.version}, ${canary.percent} of 100 hosts`] as const] : []),
    ...(said.current ? [['previous', previous ?? nonePrevious] as const] : []),
    ['unknown', unknownWords(said)],
    ['signed by', said.imageKey ?? 'any key: remuda boot set --image-key FILE'],
    ['log in', `${said.sshKeys.length} keys`],
    ...(said.kernelOptions ? [['kernel', said.kernelOptions] as const] : []),
    ['boots in', `${said.joinWithinS} s at most`],
    ['peers', said.peers ? 'hosts serve their image to each other' : 'bootds alone serve images']
  ]
  const head = rows.map(([name, text]) => `${paint('dim', name.padEnd(10))}${oneLine(text)}\n`)
  const machines = expected.map(one => [
    one.name,
    one.uuid ?? '-',
    one.serial ?? '-',
    one.macs.join(' ') || '-',
    one.version ?? '-'
  ])
  const servers = bootds.map(({ name, mode, url, problem, foreign }) => [
    name,
    mode,
    url ?? '-',
    [
      ...(problem === undefined ? [] : [problem]),
      ...(mode === 'off' ? ['serves no boots: set bootMode in its bootd.json'] : []),
      ...foreign.map(({ address }) => `another DHCP server: ${address}`)
    ].join('; ') || '-'
  ])
  const heads = ['EXPECTED', 'UUID', 'SERIAL', 'MAC', 'IMAGE']
  return [
    ...head,
    ...(machines.length > 0 ? ['\n', renderRows(invocation, heads, machines)] : []),
    '\n',
    servers.length > 0
      ? renderRows(invocation, ['BOOTD', 'DHCP', 'SERVES AT', 'PROBLEM'], servers)
      : 'no bootd has said yet how it stands; it does so every 10 s where it is heard\n'
  ].join('')
}

function unknownWords({ unknown, policy }: BootSaid): string {
  if (unknown === 'nothing') return 'get nothing'
  if (!policy) return 'boot, and wait for: remuda host approve NAME'
  const from = policy.subnets ? ` from ${policy.subnets.join(', ')}` : ''
  const until = policy.expiresAt === undefined ? '' : ` until ${policy.expiresAt}`
  return `${policy.usesLeft} more come in by themselves${from}${until}; others wait`
}

/** Sets how machines boot. */
export async function setBoot(invocation: Invocation): Promise<void> {
  const { given } = invocation
  const unknown = given.text('unknown')
  const letIn = given.number('let-in')
  const within = given.number('join-within')
  const subnets = given.texts('from')
  const options = given.text('kernel-options')
  const peers = given.text('peers')
  const body = {
    ...(unknown !== undefined && { unknown: unknown === 'wait' ? null : unknown }),
    ...(within !== undefined && { joinWithinS: Math.round(within / 1_000) }),
    ...(options !== undefined && { kernelOptions: options === 'none' ? null : options }),
    ...(peers !== undefined && { peers: peers === 'on' ? true : null }),
    ...(await keysGiven(invocation)),
    ...(letIn !== undefined && {
      policy:
        letIn === 0
          ? null
          : {
              uses: letIn,
              expiresMs: given.number('for') ?? 3_600_000,
              ...(subnets.length > 0 && { subnets })
            }
    })
  }
  if (Object.keys(body).length === 0) {
    throw new UsageFault('cannot set nothing', { next: ['remuda boot set --help'] })
  }
  await change(invocation, { method: 'PATCH', path, body, doing: 'set how machines boot' })
}

async function keysGiven({ given }: Invocation): Promise<object> {
  const imageKey = given.text('image-key')
  const sshKeys = given.text('ssh-keys')
  return {
    ...(imageKey !== undefined && {
      imageKey: imageKey === 'any' ? null : (await linesOf(imageKey)).at(-1)
    }),
    ...(sshKeys !== undefined && {
      sshKeys: sshKeys === 'none' ? null : await linesOf(sshKeys)
    })
  }
}

/** Lines of a file that say something. */
async function linesOf(file: string): Promise<readonly string[]> {
  try {
    const lines = (await readFile(file, 'utf8')).split('\n').map(line => line.trim())
    return lines.filter(line => line !== '' && !line.startsWith('#'))
  } catch (cause) {
    throw new Fault('not-found', `cannot read ${file}`, { cause, next: ['name another file'] })
  }
}

/** Tells of a machine to come. */
export async function expectMachine(invocation: Invocation): Promise<void> {
  const { given } = invocation
  const [uuid, serial, version] = [given.text('uuid'), given.text('serial'), given.text('image')]
  const name = given.positional('NAME')!
  const body = {
    name,
    ...(uuid !== undefined && { uuid: uuid.toLowerCase() }),
    ...(serial !== undefined && { serial }),
    macs: given.texts('mac').map(mac => mac.toLowerCase()),
    ...(version !== undefined && { version })
  }
  const asked = { method: 'POST', path: `${path}/expected`, body, doing: `expect ${name}` } as const
  await change(invocation, asked)
}

/** Expects one no longer. */
export async function forgetMachine(invocation: Invocation): Promise<void> {
  const name = invocation.given.positional('NAME')!
  const place = `${path}/expected/${encodeURIComponent(name)}`
  await change(invocation, { method: 'DELETE', path: place, doing: `forget ${name}` })
}

/** Lists versions of the image. */
export async function listImages(invocation: Invocation): Promise<void> {
  const items = await imagesOf(invocation)
  const raw = await renderRaw(invocation, { kind: 'list', items })
  if (raw !== undefined) return invocation.write(raw)
  if (items.length === 0) {
    invocation.note('no bootd has an image: remuda host-image build\n')
    return
  }
  const rows = items.map(one => [
    one.version,
    one.percent === undefined ? one.role : `${one.role} ${one.percent} %`,
    one.profile,
    one.kernel,
    one.remuda,
    formatMib(Math.ceil(bytesOf(one) / 1024 ** 2)),
    String(one.running.length),
    one.bootds.join(' ') || 'none',
    one.problems.join('; ') || '-'
  ])
  const heads = [
    'VERSION',
    'FOR',
    'PROFILE',
    'KERNEL',
    'REMUDA',
    'SIZE',
    'RUNNING',
    'AT',
    'PROBLEM'
  ]
  invocation.write(renderRows(invocation, heads, rows))
}

const bytesOf = ({ files }: HostImageManifest): number =>
  Object.values(files).reduce((sum, { bytes }) => sum + bytes, 0)

/** Shows one version. */
export async function showImage(invocation: Invocation): Promise<void> {
  const one = chosen(await imagesOf(invocation), invocation.given.positional('VERSION')!)
  const raw = await renderRaw(invocation, one)
  if (raw !== undefined) return invocation.write(raw)
  const rows: readonly (readonly [string, string])[] = [
    ['version', one.version],
    ['for', one.percent === undefined ? one.role : `${one.role}, ${one.percent} of 100 hosts`],
    ['what', `${one.architecture}, ${one.profile}, kernel ${one.kernel}, remuda ${one.remuda}`],
    ['at', one.bootds.join(', ') || 'no bootd that could serve it'],
    ...one.problems.map(problem => ['problem', problem] as const),
    ['next boot', one.wanted.join(', ') || 'no host'],
    ['running', one.running.join(', ') || 'no host']
  ]
  const { paint } = invocation
  const files = Object.entries(one.files).map(([name, { bytes, sha256 }]) => [
    name,
    formatMib(Math.ceil(bytes / 1024 ** 2)),
    sha256
  ])
  const head = rows.map(([name, text]) => `${paint('dim', name.padEnd(10))}${oneLine(text)}\n`)
  invocation.write(
    [...head, '\n', renderRows(invocation, ['FILE', 'SIZE', 'SHA-256'], files)].join('')
  )
}

/** Has hosts get a version. */
export async function promoteImage(invocation: Invocation): Promise<void> {
  const { version } = chosen(await imagesOf(invocation), invocation.given.positional('VERSION')!)
  const percent = invocation.given.number('percent')
  const body = percent === undefined ? {} : { percent }
  const place = `/v1/host-images/${version}/promote`
  await change(invocation, { method: 'POST', path: place, body, doing: `promote ${version}` })
}

/** Has hosts get the version before. */
export async function rollBackImage(invocation: Invocation): Promise<void> {
  const place = '/v1/host-images/rollback'
  await change(invocation, { method: 'POST', path: place, doing: 'roll the host image back' })
}

/** Says what a host boots next, once. */
export async function bootOnce(invocation: Invocation): Promise<void> {
  const { given, signal } = invocation
  const reference = referenceTo(invocation, 'host', given.positional('NAME')!)
  const profile = given.positional('PROFILE')!
  const api = await invocation.connect()
  await sayVerb(api, reference, 'boot-once', { body: { profile }, signal })
  const next = profile === 'host' ? 'the host image, as always' : `${profile}, once`
  invocation.write(`host/${reference.name} boots next: ${next}\n`)
}

/** Every version that some bootd has. */
export async function imagesOf(invocation: Invocation): Promise<readonly ImageSaid[]> {
  const doing = 'list host images'
  const api = await invocation.connect()
  const asked = {
    method: 'GET',
    path: '/v1/host-images',
    doing,
    signal: invocation.signal
  } as const
  const { items } = readJson(await api.ask(asked), doing) as {
    readonly items: readonly ImageSaid[]
  }
  return items
}

/** The only version that begins so. */
export function chosen(images: readonly ImageSaid[], text: string): ImageSaid {
  const found = images.filter(({ version }) => version.startsWith(text))
  if (found.length === 1) return found[0]!
  const many = found.map(({ version }) => version).join(', ')
  throw new Fault(found.length === 0 ? 'not-found' : 'invalid', `no one version begins "${text}"`, {
    reasons: [found.length === 0 ? 'no bootd has such a version' : `there are ${many}`],
    next: ['remuda host-image list']
  })
}

type Asked = {
  readonly method: 'POST' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly body?: object
  readonly doing: string
}

async function change(invocation: Invocation, asked: Asked): Promise<void> {
  const api = await invocation.connect()
  const answer = await api.ask({ ...asked, signal: invocation.signal })
  const said = readJson(answer, asked.doing) as BootSaid
  const raw = await renderRaw(invocation, said)
  if (raw !== undefined) return invocation.write(raw)
  if (answer.headers['remuda-changed'] === 'false') invocation.note('unchanged\n')
  invocation.write(describe(invocation, said))
}
