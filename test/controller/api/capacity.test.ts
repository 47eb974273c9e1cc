import test from 'ava'
import { joinHost, worldController } from '../../world/world-controller.ts'

test('GET /v1/capacity tells what is left, and what if', async t => {
  t.timeout(60_000)
  await using world = await worldController()
  for (const name of ['h1', 'h2']) await joinHost(world, name)
  const size = { name: 'half', spec: { vcpus: 1, memoryMib: 1_024 } }
  await world.ask({ method: 'POST', path: '/v1/sizes', body: size })
  const left = async (query = '') => {
    const { status, json, problem } = await world.ask({ path: `/v1/capacity${query}` })
    const sizes = (json as { sizes?: { name: string; now: number; after: number }[] }).sizes
    return { status, json, problem, half: sizes?.find(one => one.name === 'half') }
  }
  const now = await left()
  t.is(now.status, 200)
  t.like(now.json, { hosts: 2, losses: 1, exact: true, reserve: { hosts: 0, state: 'none' } })
  t.true(now.half!.now > 0)
  t.is(now.half!.after, now.half!.now / 2)
  t.is((await left('?without=h2')).half!.now, now.half!.now / 2)
  t.is((await left('?with=2xh1')).half!.now, now.half!.now * 2)
  t.is((await left('?without=h9')).status, 404)
  const wrong = await left('?with=many')
  t.is(wrong.status, 422)
  t.regex(wrong.problem.next[0]!, /2xh1/)

  await world.ask({ method: 'PATCH', path: '/v1/ha', body: { reserveHosts: 1 } })
  t.like((await left()).json, { reserve: { hosts: 1, state: 'kept', broken: [] } })
  const fewer = await left('?without=h2')
  t.like(fewer.json, { reserve: { state: 'kept' }, whatIf: { stranded: [], staying: [] } })
  const { json: healed } = await world.ask({ path: '/v1/ha' })
  t.false('reserveBroken' in (healed as object))
  await world.ask({ method: 'PATCH', path: '/v1/ha', body: { reserveHosts: 0 } })
})
