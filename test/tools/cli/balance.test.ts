/** How even hosts are, as typed to a whole controller. */
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { giveImage, joinHost, worldController } from '../../world/world-controller.ts'
import { typeLine } from './type-line.ts'

/** For what takes a moment on an idle machine. Unit: ms. */
const patienceMs = 120_000
/** On a busy one a host is late now and then, and then out of service: looked at again. */
const looksMax = 20

const lines: readonly (readonly [line: string, code: number, says: RegExp])[] = [
  ['balance show', 0, /^unevenness +0\.\d{4}; 0: the same share of each host is promised$/m],
  ['balance show', 0, /^automatic +off: hosts are levelled only when asked for/m],
  ['balance plan', 0, /no move is worth it: unevenness 0\.\d{4}.* \(nothing was done\)\n$/],
  ['balance plan --gain 0 --moves 3 --trials 1000', 0, /^HOST +MEMORY +VCPUS$/m],
  ['balance plan --gain much', 2, /cannot read "much" as a share from 0 to 10/],
  ['balance apply', 0, /no move is worth it/],
  ['balance stop', 0, /^nothing is being levelled$/m],
  ['balance set', 2, /cannot set nothing/],
  ['balance set --automatic on', 0, /^on: where it gains 0\.1, after 10 min of calm, at most 20/],
  ['balance set --automatic on', 0, /^unchanged: on: /],
  ['balance set --gain 0.3 --rest 1h --moves 7', 0, /^on: where it gains 0\.3, after 60 min/],
  [
    'balance set --minute-gain 0.07',
    0,
    /^on: where it gains 0\.3 and each minute of a move 0\.07, after/
  ],
  ['balance set --automatic off', 0, /^off: /],
  ['placement set --weight networkMeasured=50', 0, /networkMeasured/],
  ['balance show', 0, /^left out +networkMeasured is not levelled: .* h1, h2$/m],
  ['balance plan', 0, /^networkMeasured is not levelled: .* h1, h2$/m]
]

test('how even hosts are is shown, planned and set', async t => {
  t.timeout(patienceMs)
  await using world = await worldController()
  for (const name of ['h1', 'h2']) await joinHost(world, name)
  await giveImage(world)
  const server = `unix:${world.socket('admin')}`
  for (const [line, wanted, says] of lines) {
    let [{ code, output, errors }, looks] = [await typeLine(line, { server }), 1]
    const isLook = /show|plan/.test(line)
    for (; isLook && !says.test(`${output}${errors}`) && looks < looksMax; looks += 1) {
      await sleep(500)
      ;({ code, output, errors } = await typeLine(line, { server }))
    }
    t.is(code, wanted, `${line}: ${errors}`)
    t.regex(`${output}${errors}`, says, line)
    t.log(`$ remuda ${line}\n${output}${errors}`)
  }
})
