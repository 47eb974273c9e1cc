import { connect } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import WebSocket from 'ws'
import { channelWindowBytes } from '#shared/wire/messages.ts'
import {
  giveImage,
  joinHost,
  type WorldController,
  worldController
} from '../../world/world-controller.ts'

async function withWeb(
  t: ExecutionContext,
  work: (world: WorldController) => Promise<void>
): Promise<void> {
  t.timeout(60_000)
  await using world = await worldController()
  await joinHost(world)
  await giveImage(world)
  const body = { name: 'web', spec: { image: 'tiny', memoryMib: 16 } }
  const headers = { prefer: 'wait=20' }
  await world.ask({ method: 'POST', path: '/v1/instances', body, headers })
  await work(world)
}

const attach = (world: WorldController): WebSocket =>
  new WebSocket(`ws+unix:${world.socket('admin')}:/v1/instances/web/console`)

const closing = (client: WebSocket): Promise<{ readonly code: number; readonly why: string }> =>
  new Promise((resolve, reject) => {
    client.on('error', reject)
    client.on('close', (code, why) => resolve({ code, why: String(why) }))
  })

const heard = (client: WebSocket, wanted: string): Promise<void> =>
  new Promise((resolve, reject) => {
    let text = ''
    client.on('error', reject)
    client.on('message', said => {
      text += String(said)
      if (text.includes(wanted)) resolve()
    })
  })

test('a long reason in another alphabet closes a console, and nothing else', t =>
  withWeb(t, async world => {
    world.mesh.obedience = { noConsole: 'не получилось '.repeat(20) }
    const { code, why } = await closing(attach(world))
    t.is(code, 4000)
    t.regex(why, /^не получилось/)
    t.is((await world.ask({ path: '/healthz' })).status, 200)
  }))

test('nothing typed does not stop what is typed after it', t =>
  withWeb(t, async world => {
    const client = attach(world)
    await heard(client, 'welcome')
    client.send(Buffer.alloc(0))
    client.send('after nothing')
    await heard(client, 'after nothing')
    client.terminate()
    t.pass()
  }))

test('whoever is attached is told when the line to the host is lost', t =>
  withWeb(t, async world => {
    const client = attach(world)
    await heard(client, 'welcome')
    const closed = closing(client)
    world.mesh.lose('h1')
    const { code, why } = await closed
    t.is(code, 4000)
    t.regex(why, /the line to h1 is lost/)
  }))

test('a host that says more than it may is cut off', t =>
  withWeb(t, async world => {
    world.mesh.obedience = { flood: channelWindowBytes + 1 }
    const { code, why } = await closing(attach(world))
    t.is(code, 4000)
    t.regex(why, /at most 262144 may be on their way/)
  }))

test('handshakes that fail leave no console open', t =>
  withWeb(t, async world => {
    const attempt = (path: string): Promise<string> =>
      new Promise((resolve, reject) => {
        const socket = connect(world.socket('admin'))
        let text = ''
        socket.on('data', bytes => {
          text += String(bytes)
        })
        socket.on('error', reject)
        socket.on('close', () => resolve(text.split('\r\n')[0] ?? ''))
        socket.write(
          `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`
        )
      })
    // More than may be open at once.
    const many = Array.from({ length: 600 })
    for (const _ of many) {
      const said = await attempt('/v1/instances/web/console')
      if (!said.includes(' 400 ')) return t.fail(said)
    }
    t.regex(await attempt('/v1/instances/%zz/console'), / 404 /)
    t.regex(await attempt('//'), / 404 /)
    const client = attach(world)
    await heard(client, 'welcome')
    client.terminate()
  }))

test('a controller ends although consoles are open', async t => {
  t.timeout(60_000)
  let closed: ReturnType<typeof closing> | undefined
  await withWeb(t, async world => {
    const client = attach(world)
    await heard(client, 'welcome')
    closed = closing(client)
  })
  t.is((await closed)?.code, 1006)
})
