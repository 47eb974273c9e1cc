/** Serial lines of machines, with programs that stand in for script(1) and ipmitool. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { silentLog } from '#shared/log.ts'
import type { Seat } from '#shared/wire/channel-relay.ts'
import { readBeginning, typeable, whyNot } from '../../bootd/core/sol-output.ts'
import { MachineConsoles } from '../../bootd/io/sol/consoles.ts'
import { SolLine } from '../../bootd/io/sol/line.ts'
import { writeProgram } from '../world/program.ts'

const connected = 'Get HPM.x failed\r\n[SOL Session operational.  Use ~? for help]\r\n'

/** What somebody sees who looks. */
class Onlooker {
  text = ''
  readonly ends: string[] = []
  readonly output = (bytes: Uint8Array): void => {
    this.text += Buffer.from(bytes).toString()
  }
  readonly ended = (because: string): void => void this.ends.push(because)

  async sees(wanted: string | RegExp): Promise<void> {
    const late = performance.now() + 30_000
    const seen = (): string => `${this.text}|${this.ends.join('|')}`
    while (!seen().match(wanted)) {
      if (performance.now() > late) throw new Error(`${wanted} is not seen, but ${seen()}`)
      await sleep(10)
    }
  }
}

/** Consoles whose line is this program of a shell; what ipmitool was asked is in a file. */
async function consolesWith(t: ExecutionContext, program: string) {
  t.timeout(60_000)
  const folder = await mkdtemp(join(tmpdir(), 'remuda-sol-'))
  const file = (name: string): string => join(folder, name)
  await writeProgram(file('script'), `#!/bin/sh\n${program}\n`)
  await writeProgram(file('ipmitool'), `#!/bin/sh\necho "$@" >>${file('asked')}\nexit 1\n`)
  const ipmi = (address: string, secret = 'bmc') => ({
    devices: [{ type: 'ipmi', address, port: 623, user: 'u', secret, privilege: 'operator' }]
  })
  const levels = { h1: [ipmi('10.0.9.1')], h2: [ipmi('10.0.9.2')], h3: [ipmi('x', 'none')] }
  const consoles = new MachineConsoles({
    orderOf: host =>
      host in levels
        ? ({ name: host, levels: levels[host as 'h1'], secrets: { bmc: 'v' } } as never)
        : undefined,
    programs: { script: file('script'), ipmitool: file('ipmitool') },
    log: silentLog
  })
  t.teardown(async () => {
    await consoles[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })
  const attach = (host: string, take = false): { readonly seat: Seat; readonly eye: Onlooker } => {
    const eye = new Onlooker()
    return { seat: consoles.attach({ host, take }, eye), eye }
  }
  const asked = async (): Promise<string> => await readFile(file('asked'), 'utf8').catch(() => '')
  return { attach, asked }
}

const echoes = `printf '${connected.replaceAll('\r', '\\r').replaceAll('\n', '\\n')}'; exec cat`

test('what is typed goes to the machine once it is connected, and answers come back', async t => {
  const { attach, asked } = await consolesWith(t, `sleep 0.3; ${echoes}`)
  const { seat, eye } = attach('h1')
  await seat.write(Buffer.from('before it \x1eis connected'))
  await eye.sees('before it is connected')
  t.is(eye.text, 'before it is connected', 'and nothing of what ipmitool says')
  seat.leave()
  while (!(await asked()).includes('sol deactivate')) await sleep(10)
  t.regex(await asked(), /^-I lanplus -H 10\.0\.9\.1 -p 623 -U u -E -L OPERATOR sol deactivate\n$/)
})

test('one at a time looks at a machine; who takes it ends the other one', async t => {
  const { attach } = await consolesWith(t, echoes)
  const first = attach('h1')
  await first.seat.write(Buffer.from('one'))
  await first.eye.sees('one')
  t.throws(() => attach('h1'), { message: /it is open/ })
  t.truthy(attach('h2'), 'another machine is another line')
  const second = attach('h1', true)
  t.deepEqual(first.eye.ends[0], 'somebody else has taken it over')
  await second.seat.write(Buffer.from('two'))
  await second.eye.sees('two')
  t.is(first.eye.text, 'one')
  second.seat.leave()
  const third = attach('h1')
  await third.seat.write(Buffer.from('three'))
  await third.eye.sees('three')
})

for (const [program, because] of [
  ['echo "Info: SOL payload already active on another session"; exit 1', /add --take$/],
  ['echo "Error: Unable to establish IPMI v2 / RMCP+ session"; exit 1', /RMCP\+ session$/],
  ['exit 3', /ipmitool ended with exit code 3$/],
  [`${echoes.replace('exec cat', 'exit 0')}`, /IPMI at 10\.0\.9\.1 has ended the connection$/]
] as const) {
  test(`it is said why a line ends: ${because.source}`, async t => {
    const { attach } = await consolesWith(t, program)
    const { eye } = attach('h1')
    await eye.sees(because)
    t.regex(eye.ends[0]!, because)
  })
}

test('a line is not waited for whose predecessor never ends', async t => {
  t.timeout(60_000)
  const eye = new Onlooker()
  const device = { type: 'ipmi', address: '10.0.9.1', port: 623, user: 'u', secret: 'bmc' }
  const line = SolLine.begin({
    device: { ...device, privilege: 'operator' } as never,
    ...{ password: 'v', viewer: eye, take: false, log: silentLog },
    ...{ after: new Promise(() => {}), endMsMax: 20 },
    programs: { script: '/nowhere/script', ipmitool: '/nowhere/ipmitool' }
  })
  await line.over
  t.deepEqual(eye.ends, [
    'cannot open the serial line of IPMI at 10.0.9.1: ' +
      'the connection before is not closed after 20 ms'
  ])
  await line.write(Buffer.from('and what is typed is lost'))
})

test('nothing is taken as soon as a line is connected', async t => {
  const { attach } = await consolesWith(t, echoes)
  const { seat, eye } = attach('h1')
  await seat.write(Buffer.alloc(0))
  t.is(eye.text, '')
  seat.leave()
})

test('a host without a device that speaks IPMI has no line', async t => {
  const { attach } = await consolesWith(t, echoes)
  t.throws(() => attach('h3'), { message: /cannot open the serial line of host h3/ })
  t.throws(() => attach('h9'), { message: /no device of the host is known/ })
})

test('the beginning is found wherever it is cut, and no byte behind it is changed', t => {
  const bytes = Buffer.concat([Buffer.from(connected), Buffer.from([0, 0xff, 0xc3, 10])])
  for (let at = 0; at <= bytes.length; at++) {
    let said = ''
    const rest: number[] = []
    let isConnected = false
    for (const part of [bytes.subarray(0, at), bytes.subarray(at)]) {
      if (isConnected) rest.push(...part)
      else {
        const read = readBeginning(said, part)
        if (read.state === 'connecting') said = read.said
        else {
          isConnected = true
          rest.push(...read.rest)
        }
      }
    }
    const end = rest.filter((byte, index) => index > 1 || (byte !== 10 && byte !== 13))
    t.deepEqual(end, [0, 0xff, 0xc3, 10], `cut at ${at}`)
  }
  t.deepEqual([...typeable(Buffer.from('a\x1eb'))], [97, 98])
  t.is(whyNot('\x1b[31mno\x07 route\r\n', 'x'), '[31mno route')
})
