/**
 * What belongs to one tenant, asked for in the name of another one, by somebody who may do all: it
 * is not there, by any route, and nothing becomes of it.
 */
import test from 'ava'
import { type Kind, kinds } from '#shared/model/index.ts'
import { routesOf } from '../../../controller/io/api/app.ts'
import type { Route } from '../../../controller/io/api/route.ts'
import { giveImage, joinHost, worldController } from '../../world/world-controller.ts'

const kindNames = (Object.keys(kinds) as Kind[]).filter(kind => kind !== 'event')

/** The path of a route to something of the first tenant's; undefined: of no such kind. */
function pathOf({ path }: Route, owned: ReadonlyMap<string, string>): string | undefined {
  const [, , plural = '', parameter] = path.split('/')
  const name = owned.get(plural)
  if (name === undefined || parameter !== ':name') return undefined
  return path.replace(':name', name).replace(/:\w+/g, 'absent')
}

test('what another tenant has is not there, by whatever route it is asked for', async t => {
  t.timeout(60_000)
  await using world = await worldController()
  await joinHost(world)
  await giveImage(world)
  const create = async (plural: string, body: object): Promise<void> => {
    const { status, text } = await world.ask({ method: 'POST', path: `/v1/${plural}`, body })
    t.is(status, 201, text)
  }
  await create('tenants', { name: 'shop', spec: {} })
  await create('volumes', { name: 'spare', spec: { sizeMib: 16 } })
  await create('instances', { name: 'web', spec: { image: 'tiny', memoryMib: 64 } })
  const { view } = world.running.service.reign
  const all = (): string => JSON.stringify(kindNames.map(kind => [...view.all(kind).values()]))
  const owned = new Map<string, string>()
  for (const kind of kindNames.filter(kind => kinds[kind].scope === 'tenant')) {
    const [first] = [...view.all(kind).values()]
    if (first) owned.set(kinds[kind].plural, first.name)
  }
  t.true(['instances', 'volumes', 'networks', 'images'].every(one => owned.has(one)))
  const before = all()
  const wrong: string[] = []
  let [asked, found] = [0, 0]
  for (const route of routesOf(world.running.service)) {
    const path = pathOf(route, owned)
    if (path === undefined) continue
    const { method } = route
    const body = method === 'GET' || method === 'DELETE' ? {} : { body: {} }
    const { status } = await world.ask({ method, path: `${path}?tenant=shop`, ...body })
    asked += 1
    const isRight = method === 'GET' || method === 'DELETE' ? status === 404 : status >= 400
    if (!isRight) wrong.push(`${method} ${route.path}: ${status}`)
    if (method !== 'GET') continue
    // Else it would be a test of paths that nobody has.
    if ((await world.ask({ path })).status === 200) found += 1
  }
  t.deepEqual(wrong, [])
  t.true(asked > 20, String(asked))
  t.true(found >= 5, String(found))
  t.is(all(), before)
})
