import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { Fault, isFault, sentence } from '#shared/fault.ts'
import { labDevice, readAnswer } from '../../bootd/io/fence/lab.ts'
import { LabServer } from '../../tools/lab/keeper/server.ts'
import { fenceDeviceSuite } from '../contracts/fence-device.ts'

/** A keeper's socket with one host behind it. */
async function keeperOf(host: string) {
  const folder = await mkdtemp(join(tmpdir(), 'remuda-keeper-'))
  const socket = join(folder, 'lab.sock')
  let isRunning = true
  const server = await LabServer.listen(socket, async ask => {
    if (ask.verb !== 'power') throw new Fault('invalid', 'cannot do that')
    if (ask.host !== host) throw new Fault('not-found', `cannot find host ${ask.host}`)
    if (ask.to !== undefined) isRunning = ask.to === 'on'
    return { power: isRunning ? 'on' : 'off' }
  })
  return {
    socket,
    isRunning: () => isRunning,
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    }
  }
}

/** A socket that hears everything and never answers. */
async function silence() {
  const folder = await mkdtemp(join(tmpdir(), 'remuda-keeper-'))
  const socket = join(folder, 'lab.sock')
  const server = createServer(each => void each.on('error', () => {}).resume())
  await new Promise<void>(resolve => server.listen(socket, resolve))
  return {
    socket,
    [Symbol.asyncDispose]: async () => {
      server.close()
      await rm(folder, { recursive: true, force: true })
    }
  }
}

fenceDeviceSuite("a lab's switch", async () => {
  const keeper = await keeperOf('h2')
  const deaf = await silence()
  return {
    device: labDevice({ type: 'lab', socket: keeper.socket, host: 'h2' }),
    isRunning: keeper.isRunning,
    silent: labDevice({ type: 'lab', socket: deaf.socket, host: 'h2' }),
    [Symbol.asyncDispose]: async () => {
      await keeper[Symbol.asyncDispose]()
      await deaf[Symbol.asyncDispose]()
    }
  }
})

const patient = (): AbortSignal => AbortSignal.timeout(60_000)

test('what the keeper refuses is a fault with its sentence', async t => {
  await using keeper = await keeperOf('h2')
  const device = labDevice({ type: 'lab', socket: keeper.socket, host: 'h9' })
  const thrown = await t.throwsAsync(device.off(patient()))
  t.true(isFault(thrown, 'unavailable'))
  t.is(thrown?.message, 'cannot find host h9')
  t.true(keeper.isRunning())
})

test('where there is no lab, that is said', async t => {
  const device = labDevice({ type: 'lab', socket: '/nowhere/lab.sock', host: 'h2' })
  const thrown = await t.throwsAsync(device.power(patient()))
  t.regex(sentence(thrown), /cannot ask the keeper at \/nowhere\/lab\.sock: .*ENOENT/)
})

const lines: readonly (readonly [string, RegExp])[] = [
  ['', /the keeper says ""/],
  ['null', /the keeper says "null"/],
  ['{"ok":null}', /the keeper says/],
  ['{"ok":{"power":"cycle"}}', /the keeper says/],
  ['{"fault":{}}', /the keeper says/],
  ['{"fault":{"message":"cannot"}}', /^cannot$/]
]

for (const [line, says] of lines) {
  test(`the line ${JSON.stringify(line)} is no reading`, t => {
    t.regex(t.throws(() => readAnswer(line))!.message, says)
  })
}
