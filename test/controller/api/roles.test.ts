/** Every route of the API with everybody who may ask: what each role is let in to, and no more. */
import test, { type ExecutionContext } from 'ava'
import { routesOf } from '../../../controller/io/api/app.ts'
import type { Route } from '../../../controller/io/api/route.ts'
import { type WorldController, worldController } from '../../world/world-controller.ts'

/** A stream without an end: only that it is refused can be asked. */
const endless: readonly string[] = ['/v1/events']

/** Names nothing that is there, so that whoever is let in changes nothing. */
const pathOf = ({ path }: Route): string => path.replace(/:\w+/g, 'absent')

async function withTokens(
  t: ExecutionContext,
  work: (world: WorldController, tokens: Readonly<Record<string, string>>) => Promise<void>
): Promise<void> {
  t.timeout(60_000)
  await using world = await worldController()
  const tokens: Record<string, string> = { unknown: 'x'.repeat(43) }
  const body = { name: 'looker', role: 'reader' }
  const made = await world.ask({ method: 'POST', path: '/v1/tokens', body })
  t.is(made.status, 201, made.text)
  tokens['reader'] = (made.json as unknown as { readonly token: string }).token
  await work(world, tokens)
}

test('each route refuses whoever it is not for, and answers readers whom it is for', t =>
  withTokens(t, async (world, tokens) => {
    const wrong: string[] = []
    let asked = 0
    for (const route of routesOf(world.running.service)) {
      if (route.role === 'anyone') continue
      for (const [who, wanted] of [
        ['nobody', 401],
        ['unknown', 401],
        ['reader', route.role === 'admin' ? 403 : undefined]
      ] as const) {
        const isIn = wanted === undefined
        if (isIn && endless.includes(route.path)) continue
        const token = tokens[who]
        const { method } = route
        const { status } = await world.askTcp({
          method,
          path: pathOf(route),
          ...(method === 'GET' || method === 'DELETE' ? {} : { body: {} }),
          ...(token && { headers: { authorization: `Bearer ${token}` } })
        })
        asked += 1
        const isRight = isIn ? status !== 401 && status !== 403 : status === wanted
        if (!isRight) wrong.push(`${method} ${route.path} of ${who}: ${status}`)
      }
    }
    t.deepEqual(wrong, [])
    t.true(asked > 150, String(asked))
  }))

test('only an admin changes anything, and few routes ask for no token', t =>
  withTokens(t, async world => {
    const routes = routesOf(world.running.service)
    const named = (some: readonly Route[]): readonly string[] =>
      some.map(({ method, path }) => `${method} ${path}`).sort()
    const writes = routes.filter(({ method, role }) => method !== 'GET' && role !== 'admin')
    t.deepEqual(named(writes), [])
    t.deepEqual(named(routes.filter(({ role }) => role === 'anyone')), [
      'GET /healthz',
      'GET /readyz',
      'GET /v1/images/:name/content'
    ])
  }))
