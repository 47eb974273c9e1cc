import test from 'ava'
import { followApproval } from '../../../bootd/core/approval.ts'
import { keptBoots, recalledBoots } from '../../../bootd/core/boot-memory.ts'
import { indexPlan } from '../../../bootd/core/boot-plan.ts'
import * as progress from '../../../bootd/core/boot-progress.ts'
import type { BootMachine } from '../../../shared/wire/boot.ts'
import { BootServer, tokenOf } from './boot-server.ts'
import { machine, plan, version } from './plans.ts'

const at = (seconds: number): progress.Moment => ({
  wall: 1_700_000_000_000 + seconds * 1_000,
  monotonic: seconds * 1_000
})
const { secret: _, ...pending } = machine
const indexOf = (...machines: readonly BootMachine[]) => indexPlan({ ...plan, machines })
const waits = 'it waits to be let in: remuda host approve host-1'

const agent: progress.MachineBoot = {
  ...{ boot: 'b', uuid: machine.uuid!, macs: machine.macs, profile: 'host', version },
  ...{ isFallback: false, wish: machine.wish, stage: 'agent', failures: 0, hasFailed: false },
  ...{ stages: [{ stage: 'agent', wall: at(60).wall }], stageAt: at(60), until: 600_000 }
}

test('a host that waits for an operator is not late, and says what for', t => {
  const boot = followApproval(agent, indexOf(pending), at(61))
  t.false(progress.isLate(boot, 10_000_000))
  t.like(progress.spoken(boot, 10_000_000), { because: waits, isUnapproved: true, failures: 0 })
  t.is(followApproval(boot, indexOf(pending), at(70)), boot)
  const kept = JSON.parse(JSON.stringify(keptBoots([boot], at(70))))
  t.is(recalledBoots(kept, at(70))[0]?.unapproved, waits)
  const stranger = followApproval(agent, indexOf(), at(61))
  t.regex(progress.spoken(stranger, 0).because ?? '', /then remuda host approve NAME$/)
})

test('once it is approved it has the time to join again', t => {
  const waiting = followApproval(agent, indexOf(pending), at(61))
  const boot = followApproval(waiting, indexOf(machine), at(5_000))
  t.like(boot, { stage: 'agent', until: 5_600_000, stageAt: at(5_000), unapproved: undefined })
  t.false(progress.isLate(boot, 5_000_000))
  t.true(progress.isLate(boot, 5_600_001))
  t.is(progress.spoken(boot, 5_001_000).because, undefined)
  t.like(progress.progressed(waiting, { stage: 'joined' }, at(90)), {
    ...{ stage: 'joined', unapproved: undefined }
  })
})

test('a host that has a secret is late as ever', t => {
  t.is(followApproval(agent, indexOf(machine), at(61)), agent)
  t.true(progress.isLate(agent, 600_001))
})

test('what waits for an operator counts no failure, however often it boots', async t => {
  await using server = await BootServer.start()
  const [{ secret: _, ...known }] = server.plan.machines as [BootMachine]
  server.plan = { ...server.plan, machines: [known], joinWithinS: -1 }
  for (let boot = 0; boot < 4; boot += 1) {
    const { text } = await server.ask(`/boot.ipxe?uuid=${machine.uuid}`)
    for (const stage of ['initramfs', 'system', 'agent']) {
      const told = { method: 'POST', body: `stage=${stage}` }
      t.is((await server.ask(`/v1/boots/${tokenOf(text)}/progress`, told)).status, 204)
    }
    server.boots.expire()
    t.like(server.boots.states()[0], { stage: 'agent', failures: 0, because: waits })
  }
  server.plan = { ...server.plan, machines: [{ ...known, secret: machine.secret! }] }
  server.boots.expire()
  t.like(server.boots.states()[0], { stage: 'failed', failures: 1 }, 'its time is up at once here')
})
