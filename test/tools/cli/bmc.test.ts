/** Baseboard controllers as typed to a whole controller, over scans of stand-ins. */
import test from 'ava'
import { realClock } from '#shared/clock.ts'
import { Fault } from '#shared/fault.ts'
import { silentLog } from '#shared/log.ts'
import { answerQuestion } from '../../../bootd/io/answers.ts'
import { BmcScans } from '../../../bootd/io/bmc/scans.ts'
import { RedfishBmc } from '../../../tools/lab/bmc/redfish-bmc.ts'
import { bootWorld } from '../../world/boots-heard.ts'
import { serviceCertificate } from '../../world/redfish-certificate.ts'
import { typeLine } from './type-line.ts'

test('baseboard controllers are looked for, waited for, and listed', async t => {
  t.timeout(120_000)
  await using world = await bootWorld()
  await using redfish = await RedfishBmc.start(await serviceCertificate())
  const port = Number(new URL(redfish.url).port)
  const macOf = async () => undefined
  const ports = { rmcp: 1, redfish: port }
  await using bmcs = new BmcScans({ clock: realClock, log: silentLog, macOf, ports })
  const server = `unix:${world.socket('admin')}`
  const none = await typeLine('bmc scan 127.0.0.1', { server })
  t.not(none.code, 0)
  t.regex(none.errors, /no bootd is heard/)
  world.running.service.bootds.serve({
    bootds: () => ['c1'],
    ask: (_, question) =>
      answerQuestion(
        { type: 'bootd-question', number: 1, question },
        { bmcs, logs: undefined as never, fences: undefined as never }
      )
  })
  t.regex((await typeLine('bmc list', { server })).output, /^none was found yet/)
  const wrong = await typeLine('bmc scan 10.0.0.0/8', { server })
  t.is(wrong.code, 1, wrong.errors)
  t.regex(wrong.errors, /cannot scan: 10\.0\.0\.0\/8 has 16777216 addresses, and at most 4096/)
  let found = await typeLine('bmc scan 127.0.0.1', { server })
  // On a busy machine an answer may come too late.
  while (!found.output.includes('1.9.0')) {
    found = await typeLine('bmc scan 127.0.0.1', { server })
  }
  t.is(found.code, 0, found.errors)
  t.regex(found.output, /^ADDRESS +MAC +IPMI +REDFISH +HEARD +FENCES +PRODUCT$/m)
  t.regex(found.output, /^127\.0\.0\.1 +- +- +1\.9\.0 +\d+(\.\d+)? (ms|s|min) +/m)
  const { output } = await typeLine('bmc list -o json', { server })
  t.like(JSON.parse(output), { items: [{ address: '127.0.0.1', fences: [] }], problems: [] })
})

for (const [title, fault, status, says] of [
  [
    'while one is under way, which is said',
    new Fault('conflict', 'cannot scan 10.0.5.0/24: a scan is under way', {
      reasons: ['10.0.6.0/24: 3 of 254 addresses were asked']
    }),
    409,
    /bootd of c1: .*a scan is under way; 10\.0\.6\.0\/24: 3 of 254 addresses were asked/
  ],
  ['by a bootd that cannot', new Fault('network', 'no socket'), 503, /bootd of c1: no socket/]
] as const) {
  test(`a scan is refused ${title}`, async t => {
    t.timeout(120_000)
    await using world = await bootWorld()
    const begin = (): void => {
      throw fault
    }
    world.running.service.bootds.serve({
      bootds: () => ['c1', 'c2'],
      ask: async (bootd, question) => {
        if (bootd === 'c2') throw new Fault('deadline', 'bootd of c2 did not answer')
        const bmcs = { begin, found: () => ({ items: [] }) }
        return await answerQuestion(
          { type: 'bootd-question', number: 1, question },
          { bmcs, logs: undefined as never, fences: undefined as never }
        )
      }
    })
    const body = { range: '10.0.5.0/24' }
    const refused = await world.ask({ method: 'POST', path: '/v1/bmcs/scan', body })
    t.is(refused.status, status)
    t.regex(JSON.stringify(refused.json), says)
    t.regex(JSON.stringify(refused.json), /bootd of c2 did not answer/)
    const wrong = await world.ask({
      ...{ method: 'POST', path: '/v1/bmcs/scan', body: { range: '10.0.5.1/24' } }
    })
    t.is(wrong.status, 422)
    t.regex(JSON.stringify(wrong.json), /cannot scan: 10\.0\.5\.1\/24 is no range/)
  })
}

test('on 80 columns nothing of one is cut, and what is long goes on below', async t => {
  t.timeout(120_000)
  await using world = await bootWorld()
  const item = {
    ...{ address: '10.0.5.21', mac: '52:54:00:77:00:01', asf: true, ipmi: true, ipmi2: true },
    ...{ redfish: '1.15.0', product: 'Dell Inc. Integrated Dell Remote Access Controller' },
    at: new Date(Date.now() - 200_000).toISOString()
  }
  const bmcs = { begin: () => {}, found: () => ({ items: [item] }) }
  world.running.service.bootds.serve({
    bootds: () => ['c1'],
    ask: (_, question) =>
      answerQuestion(
        { type: 'bootd-question', number: 1, question },
        { bmcs, logs: undefined as never, fences: undefined as never }
      )
  })
  const { output } = await typeLine('bmc list', {
    server: `unix:${world.socket('admin')}`,
    ...{ terminal: { columns: 80 }, environment: { NO_COLOR: '1' } }
  })
  t.true(
    output.split('\n').every(line => line.length <= 80),
    output
  )
  t.notRegex(output, /…/)
  t.regex(output, /^10\.0\.5\.21 +52:54:00:77:00:01 +2\.0 +1\.15\.0 +\d+ min +- +Dell Inc\./m)
  t.deepEqual(output.split(/\s+/).slice(-3), ['Access', 'Controller', ''])
})
