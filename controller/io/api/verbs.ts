/** Routes that say what is to happen to one resource: power, approval, consoles, image content. */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { Readable } from 'node:stream'
import Type, { type Static } from 'typebox'
import { Fault, sentence } from '#shared/fault.ts'
import type { Host } from '#shared/model/host.ts'
import type { Image } from '#shared/model/image.ts'
import { type Instance, type InstanceSpec, MovePaceFields } from '#shared/model/instance.ts'
import { Name, Strict } from '#shared/model/resource.ts'
import type { Intent } from '../../core/admission/admit.ts'
import { HttpFault } from './problem.ts'
import type { Call, Caller, Reply, Route } from './route.ts'
import { DryRun, DryRunReply, documentSchema, TenantQuery } from './schemas.ts'
import type { Service } from './service.ts'
import { found, isFlag, write } from './writes.ts'

/** How long a ticket lets an agent fetch an image. Unit: ms. */
const ticketMs = 60 * 60 * 1000

/** Power verbs change the wish alone: what they ask for is so once the host says so. */
export const verbRoutes = (service: Service): readonly Route[] => [
  power(service, 'start', 'running', 'Start an instance, or let it run on.'),
  power(service, 'stop', 'stopped', 'Stop an instance; `force=1` pulls its plug.'),
  power(service, 'pause', 'paused', 'Pause an instance where it is.'),
  power(service, 'resume', 'running', 'Let a paused instance run on.'),
  restart(service),
  migrate(service),
  approve(service),
  consoleLog(service),
  ...imageRoutes(service)
]

const writeQuery = Strict({
  ...TenantQuery,
  ...DryRun,
  force: Type.Optional(
    Type.String({ enum: ['1', '0', 'true', 'false'], description: 'Pull the plug.' })
  )
})

function power(
  service: Service,
  verb: string,
  state: InstanceSpec['desiredPower'],
  summary: string
): Route {
  return {
    method: 'POST',
    path: `/v1/instances/:name/${verb}`,
    operation: `${verb}-instance`,
    summary,
    tag: 'instances',
    role: 'admin',
    query: writeQuery,
    replies: { 200: Type.Union([documentSchema('instance'), DryRunReply(Type.Object({}))]) },
    answer: async call => {
      const instance = found(service, call, 'instance') as Instance
      if (verb === 'resume' && instance.spec.desiredPower === 'stopped') throw notPaused(instance)
      const force = verb === 'stop' && isFlag(call.query['force'])
      const intent: Intent = { verb: 'power', id: instance.id, power: state, force }
      return await write(service, call, intent, 200)
    }
  }
}

const notPaused = (instance: Instance): Fault =>
  new Fault('conflict', `cannot resume instance ${instance.name}: it is stopped`, {
    next: [`remuda instance start ${instance.name}`]
  })

const restart = (service: Service): Route => ({
  method: 'POST',
  path: '/v1/instances/:name/restart',
  operation: 'restart-instance',
  summary: 'Restart an instance once; a stopped one is started. `force=1` pulls its plug.',
  tag: 'instances',
  role: 'admin',
  query: writeQuery,
  replies: { 200: Type.Union([documentSchema('instance'), DryRunReply(Type.Object({}))]) },
  answer: async call => {
    const { id } = found(service, call, 'instance')
    const force = isFlag(call.query['force'])
    return await write(service, call, { verb: 'restart', id, force }, 200)
  }
})

/** What a wish to move says; `cancel` goes alone. */
const MigrateBody = Strict({
  to: Type.Optional(Name('Host that it goes to; chosen when left out.')),
  live: Type.Optional(
    Type.Boolean({ description: 'Whether it runs on while it goes; left out: if it runs now.' })
  ),
  ...MovePaceFields,
  cancel: Type.Optional(
    Type.Boolean({ description: 'Let it stay where it is after all.', default: false })
  )
})

const migrate = (service: Service): Route => ({
  method: 'POST',
  path: '/v1/instances/:name/migrate',
  operation: 'migrate-instance',
  summary: 'Move an instance to another host, running or not; `cancel` lets it stay after all.',
  tag: 'instances',
  role: 'admin',
  query: Strict({ ...TenantQuery, ...DryRun }),
  body: MigrateBody,
  checked: true,
  replies: { 200: Type.Union([documentSchema('instance'), DryRunReply(Type.Object({}))]) },
  answer: async call => {
    const { id } = found(service, call, 'instance')
    const { to, live, cancel, ...pace } = call.body as Static<typeof MigrateBody>
    if (cancel === true) return await write(service, call, { verb: 'cancel-move', id }, 200)
    const wish = { ...(to !== undefined && { to }), ...(live !== undefined && { live }) }
    const paced = Object.keys(pace).length > 0 ? { pace } : {}
    return await write(service, call, { verb: 'move', id, ...wish, ...paced }, 200)
  }
})

const approve = (service: Service): Route => ({
  method: 'POST',
  path: '/v1/hosts/:name/approve',
  operation: 'approve-host',
  summary: 'Let a waiting host in.',
  tag: 'hosts',
  role: 'admin',
  query: Strict({ ...DryRun }),
  replies: { 200: Type.Union([documentSchema('host'), DryRunReply(Type.Object({}))]) },
  answer: async call => {
    const { id } = found(service, call, 'host')
    return await write(service, call, { verb: 'approve', id }, 200)
  }
})

/** The host that an instance is on, heard or not. */
export function hostOf(service: Service, instance: Instance): Host {
  const { host } = instance.decided
  const found_ = host === undefined ? undefined : service.reign.view.named('host', host)
  if (found_) return found_
  throw new Fault('unavailable', `instance ${instance.name} is on no host yet`, {
    next: [`remuda why instance/${instance.name}`]
  })
}

const consoleLog = (service: Service): Route => ({
  method: 'GET',
  path: '/v1/instances/:name/log',
  operation: 'log-instance',
  summary: 'The last 64 KiB that the console of an instance has said.',
  tag: 'instances',
  role: 'reader',
  query: Strict(TenantQuery),
  replies: { 200: Type.String() },
  answer: async call => {
    const instance = found(service, call, 'instance') as Instance
    const host = hostOf(service, instance)
    const question = { ask: 'console-log' as const, subject: instance.id }
    const answer = await service.agents.ask(host, question, call.signal)
    if (answer.code !== undefined) {
      throw new Fault('unavailable', `cannot read the console of ${instance.name}`, {
        reasons: [`${host.name}: ${answer.message}`],
        next: [`remuda why instance/${instance.name}`]
      })
    }
    return { body: Readable.from([Buffer.from(answer.bytes)]), type: 'text/plain; charset=utf-8' }
  }
})

const imageRoutes = (service: Service): readonly Route[] => [
  {
    method: 'PUT',
    path: '/v1/images/:name/content',
    operation: 'upload-image',
    summary: 'Upload the content of an image, once; its SHA-256 is checked.',
    tag: 'images',
    role: 'admin',
    query: Strict(TenantQuery),
    streamed: true,
    replies: { 200: documentSchema('image') },
    answer: call => upload(service, call)
  },
  {
    method: 'GET',
    path: '/v1/images/:name/content',
    operation: 'download-image',
    summary: 'The content of an image. Agents come with a ticket instead of a token.',
    tag: 'images',
    role: 'anyone',
    query: Strict({ ...TenantQuery, ticket: Type.Optional(Type.String({ maxLength: 256 })) }),
    replies: { 200: Type.String({ contentEncoding: 'binary' }) },
    answer: call => download(service, call)
  }
]

async function upload(service: Service, call: Call): Promise<Reply> {
  const image = found(service, call, 'image') as Image
  if (image.decided.content) {
    throw new Fault('conflict', `image ${image.name} has its content already`, {
      reasons: [`SHA-256 ${image.decided.content.sha256}; images never change`],
      next: ['import the other content under another name']
    })
  }
  const by = `user/${call.caller.name}`
  try {
    const expected = { image, signal: call.signal }
    return await service.images.store(call.body as Readable, expected, content =>
      write(service, call, { verb: 'fill-image', id: image.id, content }, 200)
    )
  } catch (thrown) {
    const failure = sentence(thrown)
    const intent: Intent = { verb: 'fail-image', id: image.id, failure }
    await service.reign.submit(intent, by).catch(other => {
      service.log.warn('cannot record a failed upload', { because: sentence(other) })
    })
    throw thrown
  }
}

async function download(service: Service, call: Call): Promise<Reply> {
  const image = found(service, call, 'image') as Image
  const { ticket } = call.query
  if (call.caller === nobody && !validTicket(service, image, ticket)) {
    throw new HttpFault(401, 'unauthenticated', `cannot give the content of ${image.name}`, {
      reasons: [ticket === undefined ? 'there is neither token nor ticket' : 'the ticket is old'],
      next: ['send Authorization: Bearer TOKEN']
    })
  }
  const { content } = image.decided
  const stream = content && (await service.images.open(content.sha256))
  if (!content || !stream) {
    throw new Fault('not-found', `image ${image.name} has no content here`, {
      next: [`remuda image show ${image.name}`]
    })
  }
  return {
    headers: { 'content-length': String(content.sizeBytes), etag: `"${content.sha256}"` },
    body: stream,
    type: 'application/octet-stream'
  }
}

/** A caller without a token. */
export const nobody: Caller = { name: 'nobody', role: 'reader' }

/** Makes the ticket by which an agent fetches one image for a while. */
export function ticketFor(secret: string, imageId: string, now: number): string {
  const until = now + ticketMs
  return `${until}.${sign(secret, imageId, until)}`
}

const sign = (secret: string, imageId: string, until: number): string =>
  createHmac('sha256', secret).update(`${imageId} ${until}`).digest('hex')

function validTicket(service: Service, image: Image, ticket: string | undefined): boolean {
  const [until = '', signature = ''] = ticket?.split('.') ?? []
  if (!/^\d{1,16}$/.test(until) || Number(until) < service.clock.wall()) return false
  const expected = Buffer.from(sign(service.ticketSecret, image.id, Number(until)))
  const given = Buffer.from(signature)
  return expected.length === given.length && timingSafeEqual(expected, given)
}
