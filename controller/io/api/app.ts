/**
 * Binds the routes to the web framework: who calls, what they may, the form of what they send,
 * and every failure as a problem document. The same app answers on TCP and on the control sockets.
 */
import type { IncomingMessage, RequestListener } from 'node:http'
import { Readable } from 'node:stream'
import swagger from '@fastify/swagger'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { Fault, isFault } from '#shared/fault.ts'
import { validator, withDefaults } from '#shared/model/validate.ts'
import { positionHeader, positionOf } from '../position.ts'
import { backupRoutes } from './backup.ts'
import { balanceRoutes } from './balance.ts'
import { bmcRoutes } from './bmcs.ts'
import { bootRoutes } from './boot.ts'
import { candidateRoutes } from './candidates.ts'
import { capacityRoutes } from './capacity.ts'
import { cloudRoutes } from './cloud.ts'
import { clusterRoutes } from './cluster.ts'
import { components, referring } from './components.ts'
import { dutyRoutes } from './duty.ts'
import { eventRoutes } from './events.ts'
import { fenceRoutes } from './fences.ts'
import { healingRoutes } from './healing.ts'
import { hostLogRoutes } from './host-log.ts'
import { joinTokenRoutes } from './join-tokens.ts'
import { placementRoutes } from './placement.ts'
import { bodyBytesMax, HttpFault, problemOf } from './problem.ts'
import { resourceRoutes } from './resources.ts'
import type { Call, Caller, Reply, Route } from './route.ts'
import { ProblemBody } from './schemas.ts'
import { secretRoutes } from './secrets.ts'
import type { Service } from './service.ts'
import { callerOf, tokenRoutes } from './tokens.ts'
import { nobody, verbRoutes } from './verbs.ts'

/** The API without its sockets: servers hand it their requests. */
export type App = {
  /** Answers requests of a server; `trusted` is who comes through it without a token. */
  readonly listener: (trusted: Caller | undefined) => RequestListener
  /** The API's description, OpenAPI 3.1. */
  readonly openapi: () => object
  /** Says who a request comes from, for upgrades. */
  readonly caller: (request: IncomingMessage, trusted: Caller | undefined) => Caller | undefined
  readonly close: () => Promise<void>
}

/** A request that is not answered after so long is cut off; streams may last. Unit: ms. */
const requestMsMax = 310_000
/** One for all: each request that ends is told so, and hardly anybody wants to know why. */
const clientGone = new Fault('aborted', 'the client has its answer, or is gone')

/** Every route of the API but that of its own description. */
export const routesOf = (service: Service): readonly Route[] => [
  ...cloudRoutes(service),
  ...capacityRoutes(service),
  ...clusterRoutes(service),
  ...backupRoutes(service),
  ...candidateRoutes(service),
  ...joinTokenRoutes(service),
  ...healingRoutes(service),
  ...balanceRoutes(service),
  ...placementRoutes(service),
  ...fenceRoutes(service),
  ...bootRoutes(service),
  ...hostLogRoutes(service),
  ...bmcRoutes(service),
  ...secretRoutes(service),
  ...resourceRoutes(service),
  ...verbRoutes(service),
  ...dutyRoutes(service),
  ...eventRoutes(service),
  ...tokenRoutes(service)
]

/** Whoever comes through a control socket is marked on the request by this name. */
const trust = new WeakMap<IncomingMessage, Caller>()

/** Binds all routes; resolves once requests can be answered, after which no route can be added. */
export async function makeApp(service: Service): Promise<App> {
  const app = fastify({
    bodyLimit: bodyBytesMax,
    requestTimeout: requestMsMax,
    keepAliveTimeout: 65_000,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 256 },
    exposeHeadRoutes: false
  })
  app.setValidatorCompiler(() => () => true)
  app.setSerializerCompiler(() => value => JSON.stringify(value))
  app.addContentTypeParser('application/octet-stream', (_request, payload, done) => {
    done(null, payload)
  })
  app.addContentTypeParser('application/merge-patch+json', { parseAs: 'string' }, (_, text, done) =>
    parseJson(String(text), done)
  )
  app.setErrorHandler((thrown, request, reply) => sendProblem(service, { thrown, request, reply }))
  app.setNotFoundHandler((request, reply) =>
    sendProblem(service, { thrown: noRoute(request), request, reply })
  )
  await app.register(swagger, {
    openapi: description(service.version),
    refResolver: { buildLocalReference: ({ $id }) => String($id) }
  })
  for (const schema of components()) app.addSchema(schema)
  for (const route of routesOf(service)) bind(app, service, route)
  app.get('/v1/openapi.json', { schema: { hide: true } }, () => app.swagger())
  await app.ready()
  return {
    listener: trusted => (request, response) => {
      if (trusted) trust.set(request, trusted)
      app.routing(request, response)
    },
    openapi: () => app.swagger(),
    caller: (request, trusted) => callerOf(service, request.headers.authorization) ?? trusted,
    close: async () => await app.close()
  }
}

const description = (version: string) => ({
  openapi: '3.1.0',
  info: {
    title: 'Remuda',
    version,
    description: 'One self-healing private cloud out of racks of bare-metal Linux hosts.',
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' }
  },
  components: {
    securitySchemes: { token: { type: 'http' as const, scheme: 'bearer' } }
  }
})

const problem = referring(ProblemBody)

function bind(app: FastifyInstance, service: Service, route: Route): void {
  const { method, path, query, body, replies, operation, summary, tag } = route
  const success = Object.entries(replies).map(([status, schema]) => [
    status,
    schema ? referring(schema) : { type: 'null', description: 'Nothing more to say.' }
  ])
  app.route({
    method,
    url: path,
    schema: {
      operationId: operation,
      summary,
      tags: [tag],
      ...(query && { querystring: query }),
      ...(body && { body: referring(body) }),
      response: { ...Object.fromEntries(success), '4xx': problem, '5xx': problem },
      ...(route.role !== 'anyone' && { security: [{ token: [] }] })
    },
    handler: async (request, reply) => {
      const caller = admitted(service, route, request)
      const call = callOf(route, { request, reply, caller })
      checkQuery(route, call.query)
      return await send(service, { request, reply, answer: await answered(service, route, call) })
    }
  })
}

/** A refusal too leaves only once all that it was made of is on disk. */
async function answered(service: Service, route: Route, call: Call): Promise<Reply> {
  try {
    return await route.answer(call)
  } catch (thrown) {
    if (isFault(thrown)) await service.ledger.durable()
    throw thrown
  }
}

/** Who calls, if they may. */
function admitted(service: Service, route: Route, request: FastifyRequest): Caller {
  const { authorization } = request.headers
  const trusted = trust.get(request.raw)
  const caller = callerOf(service, authorization) ?? (authorization ? undefined : trusted)
  if (route.role === 'anyone') return caller ?? nobody
  if (!caller) {
    throw new HttpFault(401, 'unauthenticated', `cannot ${route.method} ${route.path}: no token`, {
      reasons: [authorization ? 'the token is not known' : 'there is no Authorization header'],
      next: [
        'make one as root where any candidate runs: remuda token create NAME --role admin > FILE',
        'name it with --token-file FILE, or send Authorization: Bearer TOKEN'
      ]
    })
  }
  if (route.role === 'admin' && caller.role !== 'admin') {
    throw new HttpFault(403, 'forbidden', `cannot ${route.method} ${route.path}: not allowed`, {
      reasons: [`${caller.name} has the role ${caller.role}, admin is needed`],
      next: ['use a token with the role admin, or the socket admin.sock']
    })
  }
  return caller
}

function callOf(
  route: Route,
  from: {
    readonly request: FastifyRequest
    readonly reply: FastifyReply
    readonly caller: Caller
  }
) {
  const { request, reply, caller } = from
  const gone = new AbortController()
  // Of the response, not of the connection: that one outlives many requests.
  reply.raw.once('close', () => gone.abort(clientGone))
  return {
    params: request.params as Readonly<Record<string, string>>,
    query: request.query as Readonly<Record<string, string>>,
    headers: request.headers,
    body: bodyOf(route, request),
    url: request.url,
    caller,
    signal: gone.signal
  }
}

function bodyOf(route: Route, request: FastifyRequest): unknown {
  if (route.streamed) {
    if (request.body instanceof Readable) return request.body
    throw new HttpFault(415, 'media-type', 'cannot read the content', {
      next: ['send it with Content-Type: application/octet-stream']
    })
  }
  if (!route.body) return undefined
  if (request.body === undefined || request.body instanceof Readable) {
    throw new HttpFault(415, 'media-type', `cannot ${route.method} without a JSON body`, {
      next: ['send JSON with Content-Type: application/json']
    })
  }
  // Kinds fill in the spec themselves before they check it; others are checked here.
  return route.checked ? checkedBody(route, request.body) : request.body
}

function checkedBody(route: Route, body: unknown): unknown {
  const filled = withDefaults(route.body!, body)
  const problems = validator(route.body!)(filled)
  if (problems.length === 0) return filled
  const reasons = problems.map(({ pointer, detail }) => `${pointer || 'body'} ${detail}`)
  const fault = new HttpFault(422, 'invalid', 'cannot accept the body', { reasons })
  throw Object.assign(fault, { errors: problems })
}

function checkQuery(route: Route, query: Readonly<Record<string, string>>): void {
  if (!route.query) return
  const problems = validator(route.query)({ ...query })
  if (problems.length === 0) return
  const known = Object.keys(route.query.properties)
  throw new HttpFault(422, 'invalid', 'cannot read the query', {
    reasons: problems.map(({ pointer, detail }) => `${pointer.slice(1) || 'query'} ${detail}`),
    next: [`what can be said: ${known.join(', ')}`]
  })
}

async function send(
  service: Service,
  sent: { readonly request: FastifyRequest; readonly reply: FastifyReply; readonly answer: Reply }
): Promise<FastifyReply> {
  const { request, reply, answer } = sent
  const status = answer.status ?? 200
  service.meters.requested(request.method, status)
  reply.code(status).header(positionHeader, positionOf(service.ledger))
  if (answer.headers) reply.headers(answer.headers)
  if (answer.type !== undefined) reply.type(answer.type)
  if (answer.body instanceof Readable) return await reply.send(answer.body)
  return await reply.send(answer.body)
}

function sendProblem(
  service: Service,
  failed: {
    readonly thrown: unknown
    readonly request: FastifyRequest
    readonly reply: FastifyReply
  }
): void {
  const { thrown, request, reply } = failed
  const problem = problemOf(thrown, request.url)
  service.meters.requested(request.method, problem.status)
  if (problem.status >= 500 && !isFault(thrown)) {
    const because = thrown instanceof Error ? thrown.stack : String(thrown)
    service.log.error('request failed', { method: request.method, url: request.url, because })
  }
  if (reply.raw.headersSent) {
    reply.raw.destroy()
    return
  }
  if (problem.status === 503) reply.header('retry-after', '1')
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer')
  reply.code(problem.status).type('application/problem+json').send(JSON.stringify(problem))
}

const noRoute = (request: FastifyRequest): HttpFault =>
  new HttpFault(404, 'not-found', `there is no ${request.method} ${request.url.split('?')[0]}`, {
    next: ['GET /v1 lists the kinds', 'GET /v1/openapi.json describes every path']
  })

function parseJson(text: string, done: (error: Error | null, body?: unknown) => void): void {
  try {
    done(null, JSON.parse(text))
  } catch (thrown) {
    done(Object.assign(thrown as SyntaxError, { statusCode: 400 }))
  }
}
