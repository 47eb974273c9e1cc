/** Tests of the devices that fence a host: told, or done. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Fault } from '#shared/fault.ts'
import { sayVerb } from '../api/resources.ts'
import { UsageFault } from '../failure.ts'
import type { Invocation } from '../invocation.ts'
import type { Reference } from '../kinds.ts'
import { renderRaw } from '../output/results.ts'
import { oneLine } from '../terminal.ts'
import { confirmName } from './ask.ts'
import { describeFence, type FenceSaid, readFence } from './fence.ts'
import { referenceTo } from './outcome.ts'

/** How often it is looked how far the test is. Unit: ms. */
const lookMs = 300
/** How long a test is waited for where nobody says. Unit: ms. */
const waitMsUnsaid = 300_000

/** Has devices asked and shows what would be done; with --really does it, and waits for its end. */
export async function testFence(invocation: Invocation): Promise<number> {
  const { given, signal } = invocation
  const reference = referenceTo(invocation, 'host', given.positional('NAME')!)
  if (given.flag('really')) return await reallyTest(invocation, reference)
  if (given.flag('force')) throw new UsageFault('cannot force what is only told: add --really')
  if (given.number('level') !== undefined) {
    throw new UsageFault('cannot test a level by only telling what would be done: add --really')
  }
  const said = await readFence(invocation, reference, signal, true)
  const raw = await renderRaw(invocation, said)
  invocation.write(raw ?? describeFence(invocation, said))
  if (raw === undefined) invocation.note('\nnothing was switched; add --really to do it\n')
  const isAsked = said.asked?.isNow ?? true
  return isAsked && ['ready', 'degraded', 'self-fence'].includes(said.state) ? 0 : 1
}

async function reallyTest(invocation: Invocation, reference: Reference): Promise<number> {
  const { given, signal } = invocation
  const { name } = reference
  const force = given.flag('force')
  const api = await invocation.connect()
  const level = given.number('level')
  const asked = { body: { force, ...(level !== undefined && { level }) }, signal }
  // What would be refused is refused before anybody is asked.
  await sayVerb(api, reference, 'fence-test', { ...asked, dryRun: true })
  const by = level === undefined ? '' : ` by level ${level}`
  const loses = force ? ' Whatever runs on it loses its power.' : ''
  await confirmName(invocation, { question: `Cut the power of ${name}${by}?${loses}`, name })
  await sayVerb(api, reference, 'fence-test', asked)
  if (given.flag('no-wait')) {
    invocation.write(`host/${name} is tested: remuda host fence show ${name} -w\n`)
    return 0
  }
  const { tested, ...said } = await ended(invocation, reference)
  const raw = await renderRaw(invocation, { ...said, tested })
  const word = tested?.passed ? 'passed' : 'failed'
  invocation.write(
    raw ?? `host/${name} ${word}: ${oneLine(tested?.because ?? 'nothing is told')}\n`
  )
  return tested?.passed ? 0 : 1
}

/** Tells each new sentence of the story until the test is over. */
async function ended(invocation: Invocation, reference: Reference): Promise<FenceSaid> {
  const { given, signal } = invocation
  const { name } = reference
  const until = performance.now() + (given.number('timeout') ?? waitMsUnsaid)
  const told = new Set<string>()
  for (;;) {
    const said = await readFence(invocation, reference, signal)
    for (const sentence of said.underway?.story ?? []) {
      if (!told.has(sentence)) invocation.note(`${oneLine(sentence)}\n`)
      told.add(sentence)
    }
    if (!said.test) return said
    if (performance.now() > until) {
      throw new Fault('deadline', `cannot see the end of the test of host ${name} in time`, {
        reasons: [`it is switched ${said.test.step} since ${said.test.since}, and goes on`],
        next: [`remuda host fence show ${name} -w`]
      })
    }
    await sleep(lookMs, undefined, { signal })
  }
}
