/** Moves in which anything goes wrong at any moment: never two copies run, one does at last. */
import assert from 'node:assert/strict'
import test from 'ava'
import fc from 'fast-check'
import { MovingCloud } from './moving-cloud.ts'

/** Runs of this test; more are worth their time when something of moves is changed. */
const runs = Number(process.env['REMUDA_RUNS'] ?? 25)

const host = fc.constantFrom('h1', 'h2')
const deed = fc.oneof(
  fc.record({
    do: fc.constantFrom('kill-agent', 'cut-power', 'cut', 'mend', 'cut-line', 'mend-line'),
    host
  }),
  fc.record({
    do: fc.constantFrom(
      'start-agents',
      'kill-controller',
      'start-controller',
      'cancel',
      'lose-reply',
      'end-guest'
    ),
    host
  })
)
const chance = fc.record({
  live: fc.boolean(),
  /** Whether it comes to no end by itself, so that it has to cross. */
  writesFast: fc.boolean(),
  /** How long each moment of a migration takes. Unit: ms. */
  paces: fc.array(fc.nat(2_500), { minLength: 4, maxLength: 8 }),
  deeds: fc.array(fc.record({ afterMs: fc.nat(2_000), deed }), { maxLength: 8 })
})

async function act(moving: MovingCloud, what: { do: string; host: string }): Promise<void> {
  const { cloud } = moving
  switch (what.do) {
    case 'kill-agent':
      return moving.killAgent(what.host)
    case 'cut-power':
      return moving.cutPower(what.host)
    case 'cut':
      return cloud.net.cut(cloud.host(what.host).id)
    case 'mend':
      return cloud.net.mend(cloud.host(what.host).id)
    case 'cut-line':
    case 'mend-line':
      return moving.cutLine(what.do === 'cut-line')
    case 'start-agents':
      return await moving.startAgents()
    case 'kill-controller':
      return await moving.killController()
    case 'start-controller':
      return await moving.startController()
    case 'cancel':
      return await moving.cancel()
    case 'lose-reply':
      return cloud.host('h1').hypervisor.loseNextReply()
    default: {
      const { hypervisor } = cloud.host(what.host)
      const [domain] = await hypervisor.domains()
      if (domain?.state === 'running') hypervisor.kill(domain, { detail: 'crashed' })
    }
  }
}

test('whatever dies while an instance moves, it never runs twice, and runs at last', async t => {
  t.timeout(170_000)
  await fc.assert(
    fc.asyncProperty(chance, async ({ live, writesFast, paces, deeds }) => {
      await using moving = await MovingCloud.make()
      const { cloud } = moving
      for (const each of cloud.hosts.values()) each.hypervisor.lines.writesFast = writesFast
      let count = 0
      cloud.pace = async () => {
        await cloud.clock.sleep(paces[count++ % paces.length] ?? 0)
        await moving.look('while it is sent')
      }
      await moving.move('h2', { live })
      for (const { afterMs, deed: what } of deeds) {
        await cloud.clock.pass(afterMs)
        await act(moving, what)
      }
      await moving.heal()
      await moving.look('at the end')
      assert.deepEqual(moving.faults, [])
      const { host: at, moving: way } = moving.web.decided
      assert.equal(way, undefined, JSON.stringify(way))
      assert.deepEqual(await moving.copies(), [`${at} running`], moving.because)
    }),
    { numRuns: runs, interruptAfterTimeLimit: 120_000 }
  )
  t.pass()
})
