/** Routes about how machines boot over the network: settings, versions of the image, and boots. */
import { randomBytes } from 'node:crypto'
import Type, { type Static } from 'typebox'
import { HostImageManifest, HostImageVersion } from '#shared/model/host-image.ts'
import { Name, Strict, Timestamp, Words } from '#shared/model/resource.ts'
import { BootState } from '#shared/wire/boot.ts'
import type { Context } from '../../core/admission/context.ts'
import { joinTokenMsMax, joinTokenUsesMax } from '../../core/admission/join-token.ts'
import { bootShown, bootsShown, imagesShown } from '../../core/boot/shown.ts'
import {
  type BootWish,
  expectMachine,
  forgetMachine,
  promoteImage,
  rollBackImage,
  setBoot
} from '../../core/boot/wishes.ts'
import type { Commit } from '../../core/commit.ts'
import type { Refusal } from '../../core/refusal.ts'
import type { View } from '../../core/view.ts'
import { record } from './record.ts'
import type { Call, Reply, Route } from './route.ts'
import { DryRun, DryRunReply, documentSchema } from './schemas.ts'
import type { Service } from './service.ts'
import { found, write } from './writes.ts'

const Text = (description: string) => Type.String({ maxLength: 1_024, description })
const Names = (description: string) => Type.Array(Type.String(), { description })
const Uuid = Type.String({
  pattern: '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$',
  description: 'SMBIOS UUID, lower case.'
})
const Mac = Type.String({
  pattern: '^[0-9a-f]{2}(:[0-9a-f]{2}){5}$',
  description: 'Hardware address, lower case.'
})
const Ranges = Type.Array(Type.String({ maxLength: 32 }), {
  minItems: 1,
  maxItems: 16,
  description: 'Ranges from which they may come; left out: any.'
})
const Percent = Type.Integer({
  minimum: 1,
  maximum: 100,
  description: 'Hosts that get it, always the same ones. Unit: percent.'
})
const JoinWithin = Type.Integer({
  minimum: 30,
  maximum: 7_200,
  description: 'A machine that has not joined after so long has failed to boot. Unit: s.'
})

const KernelOptions = Type.String({
  pattern: '^[A-Za-z0-9_.,:=/@+% -]+$',
  maxLength: 512,
  description: "More of the kernel's command line, for every machine."
})

const Expected = Strict({
  name: Name('Host that it becomes.'),
  uuid: Type.Optional(Uuid),
  serial: Type.Optional(Text('Serial number.')),
  macs: Type.Array(Mac, { maxItems: 32, default: [], description: 'Hardware addresses.' }),
  version: Type.Optional(HostImageVersion)
})

/** How machines boot. */
export const BootReply = Strict({
  current: Type.Optional(HostImageVersion),
  previous: Type.Optional(HostImageVersion),
  canary: Type.Optional(Strict({ version: HostImageVersion, percent: Percent })),
  unknown: Words(['wait', 'nothing'], {
    description: 'What machines do that nobody knows: boot and wait to be approved, or nothing.'
  }),
  policy: Type.Optional(
    Strict({
      token: Text('Join token that counts them.'),
      subnets: Type.Optional(Ranges),
      usesLeft: Type.Integer({ description: 'How many may still come. Unit: count.' }),
      expiresAt: Type.Optional(Timestamp('Until when.'))
    })
  ),
  imageKey: Type.Optional(Text('Public key by which images must be signed.')),
  sshKeys: Names('Keys with which operators log in to hosts.'),
  kernelOptions: Type.Optional(KernelOptions),
  joinWithinS: JoinWithin,
  peers: Type.Boolean({ description: 'Whether hosts serve their image to others that boot.' }),
  expected: Type.Array(Expected, { description: 'Machines that are expected.' }),
  bootds: Type.Array(
    Strict({
      name: Text('Candidate that it runs beside.'),
      mode: Text('off, full or proxy.'),
      url: Type.Optional(Text('Where machines fetch from.')),
      problem: Type.Optional(Text('Why it cannot serve.')),
      foreign: Type.Array(
        Strict({ address: Text('Address.'), mac: Type.Optional(Mac), since: Timestamp('Since.') }),
        { description: 'Other DHCP servers on its boot network.' }
      )
    }),
    { description: 'Bootds that are heard.' }
  )
})

const ImageReply = Strict({
  ...HostImageManifest.properties,
  role: Words(['current', 'previous', 'canary', 'none'], { description: 'What it is for.' }),
  percent: Type.Optional(Percent),
  bootds: Names('Bootds that have it whole and rightly signed.'),
  problems: Names('Why others cannot serve it.'),
  wanted: Names('Hosts that get it at their next boot.'),
  running: Names('Hosts whose last boot was of it.')
})

const orNull = <Schema extends Parameters<typeof Type.Optional>[0]>(schema: Schema) =>
  Type.Optional(Type.Union([schema, Type.Null()]))

const BootBody = Strict({
  unknown: orNull(Words(['nothing'], { description: 'Unknown machines get nothing; null: wait.' })),
  imageKey: orNull(
    Type.String({
      pattern: '^RW[A-Za-z0-9+/]{54}$',
      description: 'Public key by which images must be signed, as signify writes it; null: any.'
    })
  ),
  sshKeys: orNull(
    Type.Array(Type.String({ pattern: '^[\\x20-\\x7e]+$', maxLength: 1_024 }), {
      maxItems: 64,
      description: 'Keys with which operators log in to hosts, as in authorized_keys.'
    })
  ),
  kernelOptions: orNull(KernelOptions),
  joinWithinS: orNull(JoinWithin),
  peers: orNull(
    Type.Literal(true, { description: 'Hosts serve their image to others; null: bootds alone.' })
  ),
  policy: orNull(
    Strict({
      uses: Type.Integer({
        minimum: 1,
        maximum: joinTokenUsesMax,
        description: 'Unknown machines that are let in by themselves. Unit: count.'
      }),
      expiresMs: Type.Integer({
        minimum: 1_000,
        maximum: joinTokenMsMax,
        description: 'For how long. Unit: ms.'
      }),
      subnets: Type.Optional(Ranges)
    })
  )
})
const PromoteBody = Strict({ percent: Type.Optional(Percent) })
const OnceBody = Strict({
  profile: Words(['rescue', 'disk', 'host'], {
    description: 'What it boots next, once; host: as always.'
  })
})
const SeenReply = Strict({ ...BootState.properties, bootd: Text('Bootd that has seen it.') })

/** Reads are for everybody; changes are kept as one record of the cloud. */
export const bootRoutes = (service: Service): readonly Route[] => [
  {
    method: 'GET',
    path: '/v1/boot',
    operation: 'get-boot',
    summary: 'How machines boot over the network, and how the bootds stand that serve them.',
    tag: 'boot',
    role: 'reader',
    replies: { 200: BootReply },
    answer: async () => await service.ledger.settled(() => shown(service))
  },
  {
    method: 'PATCH',
    path: '/v1/boot',
    operation: 'change-boot',
    summary: 'Change how machines boot, and whom to let in without asking.',
    tag: 'boot',
    role: 'admin',
    body: BootBody,
    checked: true,
    replies: { 200: BootReply },
    answer: call =>
      change(service, call, (view, context) =>
        setBoot(view, { wish: call.body as BootWish, key: newKey() }, context)
      )
  },
  {
    method: 'GET',
    path: '/v1/boots',
    operation: 'list-boots',
    summary: 'The last boot of each machine, stage by stage.',
    tag: 'boot',
    role: 'reader',
    replies: { 200: Strict({ kind: Type.Literal('list'), items: Type.Array(SeenReply) }) },
    answer: async () =>
      await service.ledger.settled(() => ({
        body: { kind: 'list', items: bootsShown(service.reign.view) }
      }))
  },
  ...imageRoutes(service),
  ...machineRoutes(service)
]

const imageRoutes = (service: Service): readonly Route[] => [
  {
    method: 'GET',
    path: '/v1/host-images',
    operation: 'list-host-images',
    summary: 'Versions of the host image: who has them, who gets them, who runs them.',
    tag: 'boot',
    role: 'reader',
    replies: { 200: Strict({ kind: Type.Literal('list'), items: Type.Array(ImageReply) }) },
    answer: async () =>
      await service.ledger.settled(() => ({
        body: { kind: 'list', items: imagesShown(service.reign.view) }
      }))
  },
  {
    method: 'POST',
    path: '/v1/host-images/rollback',
    operation: 'roll-back-host-image',
    summary: 'Hosts get the version before from their next boot on.',
    tag: 'boot',
    role: 'admin',
    replies: { 200: BootReply },
    answer: call => change(service, call, rollBackImage)
  },
  {
    method: 'POST',
    path: '/v1/host-images/:version/promote',
    operation: 'promote-host-image',
    summary: 'Hosts get this version from their next boot on, or so many of a hundred.',
    tag: 'boot',
    role: 'admin',
    body: PromoteBody,
    checked: true,
    replies: { 200: BootReply },
    answer: call => {
      const { percent } = call.body as Static<typeof PromoteBody>
      const wish = { version: call.params['version'] ?? '', percent }
      return change(service, call, (view, context) =>
        promoteImage(view, { wish, key: newKey() }, context)
      )
    }
  }
]

const machineRoutes = (service: Service): readonly Route[] => [
  {
    method: 'POST',
    path: '/v1/boot/expected',
    operation: 'expect-machine',
    summary: 'Tell of a machine that has not come yet: it becomes a host by itself.',
    tag: 'boot',
    role: 'admin',
    body: Expected,
    checked: true,
    replies: { 200: BootReply },
    answer: call =>
      change(service, call, (view, context) =>
        expectMachine(view, { wish: call.body as Static<typeof Expected>, key: newKey() }, context)
      )
  },
  {
    method: 'DELETE',
    path: '/v1/boot/expected/:name',
    operation: 'forget-machine',
    summary: 'Expect a machine no longer.',
    tag: 'boot',
    role: 'admin',
    replies: { 200: BootReply },
    answer: call =>
      change(service, call, (view, context) =>
        forgetMachine(view, call.params['name'] ?? '', context)
      )
  },
  {
    method: 'POST',
    path: '/v1/hosts/:name/boot-once',
    operation: 'boot-host-once',
    summary: 'What a host gets at its next boot over the network, and never again.',
    tag: 'hosts',
    role: 'admin',
    query: Strict({ ...DryRun }),
    body: OnceBody,
    checked: true,
    replies: { 200: Type.Union([documentSchema('host'), DryRunReply(documentSchema('host'))]) },
    answer: async call => {
      const { id } = found(service, call, 'host')
      const { profile } = call.body as Static<typeof OnceBody>
      return await write(service, call, { verb: 'boot-once', id, profile }, 200)
    }
  }
]

const newKey = (): string => randomBytes(32).toString('base64url')

const shown = ({ reign }: Service): Reply => ({ body: bootShown(reign.view) })

const change = (
  service: Service,
  call: Call,
  judge: (view: View, context: Context) => Commit | Refusal
): Promise<Reply> => record(service, call, { judge, shown })
