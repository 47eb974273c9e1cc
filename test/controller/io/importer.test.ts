import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import test from 'ava'
import { worldController } from '../../world/world-controller.ts'

const content = Buffer.alloc(300_000, 7)
const sha256 = createHash('sha256').update(content).digest('hex')

test('a job tells of an image that is fetched from its source, or why it was refused', async t => {
  t.timeout(60_000)
  const server = createServer((request, answer) => {
    if (request.url === '/disk.raw') answer.end(content)
    else {
      answer.statusCode = 404
      answer.end()
    }
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  try {
    const { port } = server.address() as AddressInfo
    await using world = await worldController()
    const source = `http://127.0.0.1:${port}/disk.raw`
    const wish = (name: string, spec: object) => ({
      method: 'POST',
      path: '/v1/images',
      headers: { prefer: 'wait=15' },
      body: { name, spec: { format: 'raw', ...spec } }
    })
    const made = await world.ask(wish('good', { source, sha256 }))
    t.is(made.json.status.phase, 'ready', made.text)
    t.is(made.json.status.sha256, sha256)
    t.is(made.json.status.sizeBytes, content.length)
    const back = await world.ask({ path: '/v1/images/good/content' })
    t.is(back.text.length, content.toString().length)
    const jobs = await world.ask({ path: '/v1/jobs' })
    t.is(jobs.list.items[0]?.status.phase, 'done', jobs.text)
    t.is(jobs.list.items[0]?.spec['subject'], 'image/good')

    await world.ask({ ...wish('other', { source, sha256: 'b'.repeat(64) }), headers: {} })
    await world.ask({ ...wish('gone', { source: `${source}x` }), headers: {} })
    for (const [name, says] of [
      ['other', /is not what was announced/],
      ['gone', /the answer is 404/]
    ] as const) {
      for (;;) {
        const { json } = await world.ask({ path: `/v1/images/${name}` })
        if (json.status.phase === 'failed') {
          t.regex(json.conditions[0]?.message ?? '', says)
          break
        }
        await new Promise(resolve => setTimeout(resolve, 20))
      }
    }
  } finally {
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  }
})

test('a source with a password is not fetched, and the password is told to nobody', async t => {
  t.timeout(60_000)
  await using world = await worldController()
  const source = 'http://me:secret@127.0.0.1:1/disk.raw'
  const body = { name: 'private', spec: { format: 'raw', source } }
  await world.ask({ method: 'POST', path: '/v1/images', body })
  for (;;) {
    const { json, text } = await world.ask({ path: '/v1/images/private' })
    if (json.status.phase !== 'failed') continue
    t.regex(json.conditions[0]?.message ?? '', /there is a name or a password in it/)
    t.notRegex(text.replaceAll(source, ''), /secret/)
    break
  }
  const jobs = await world.ask({ path: '/v1/jobs' })
  t.notRegex(jobs.text, /secret/)
})
