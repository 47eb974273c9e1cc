/** Everything that is wrong is answered with a problem document that says what to do. */
import test from 'ava'
import {
  giveImage,
  joinHost,
  type WorldController,
  worldController
} from '../../world/world-controller.ts'
import { cases } from './refusal-cases.ts'

let world: WorldController
test.before(async () => {
  world = await worldController()
  await joinHost(world)
  await giveImage(world)
  const tree = { name: 'box', spec: { type: 'container', format: 'tar' } }
  await world.ask({ method: 'POST', path: '/v1/images', body: tree })
  const web = { name: 'web', spec: { image: 'tiny', memoryMib: 128 } }
  await world.ask({ method: 'POST', path: '/v1/instances', body: web })
  const full = { name: 'full', spec: { cidr: '10.9.0.0/29', network: 'narrow' } }
  await world.ask({ method: 'POST', path: '/v1/networks', body: { name: 'narrow' } })
  await world.ask({ method: 'POST', path: '/v1/subnets', body: full })
  for (let count = 0; count < 5; count += 1) {
    const ports = [{ network: 'narrow' }]
    const spec = { image: 'tiny', memoryMib: 16, desiredPower: 'stopped', ports }
    await world.ask({ method: 'POST', path: '/v1/instances', body: { name: `n${count}`, spec } })
  }
})
test.after.always(async () => await world?.[Symbol.asyncDispose]())

for (const [title, asked, status, type, says] of cases) {
  test(`${title} is refused with ${status} and what to do`, async t => {
    const { problem, headers, status: got, text } = await world.ask(asked)
    t.is(got, status, text)
    t.regex(String(headers['content-type']), /application\/problem\+json/)
    t.is(problem.type, `urn:remuda:${type}`)
    const said = [problem.detail, ...problem.reasons, ...problem.next].join(' ')
    t.regex(said, says)
    t.true(problem.reasons.length + problem.next.length > 0, text)
    t.is(problem.instance, asked.path)
  })
}

test('the table holds at least 60 cases', t => t.true(cases.length >= 60, String(cases.length)))
