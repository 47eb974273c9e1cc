/**
 * A host for which the plan has no secret knocks, and waits until an operator lets it in. Its boot
 * was a good one: it is not late however long that takes, and counts no failure. Once the plan has
 * a secret for it, its stage begins anew, with the time that it has to join.
 */
import { machineBooted, type PlanIndex } from './boot-plan.ts'
import { type MachineBoot, type Moment, withStage } from './boot-progress.ts'
import { secretFor } from './join-answer.ts'

/** The boot as the plan stands now; the same one where nothing of that is new. */
export function followApproval(
  boot: MachineBoot,
  index: PlanIndex | undefined,
  at: Moment
): MachineBoot {
  if (boot.stage !== 'agent' || boot.profile !== 'host' || index === undefined) return boot
  const machine = machineBooted(index, boot)
  if (secretFor(index, machine) === undefined) {
    const unapproved = waitsFor(machine?.name)
    return unapproved === boot.unapproved ? boot : { ...boot, unapproved }
  }
  if (boot.unapproved === undefined) return boot
  const { unapproved: _, ...rest } = boot
  const until = at.monotonic + index.plan.joinWithinS * 1_000
  return { ...rest, until, stageAt: at, stages: withStage(boot.stages, 'agent', at) }
}

const waitsFor = (name: string | undefined): string =>
  name === undefined
    ? 'it waits to be let in: remuda host list has its name, then remuda host approve NAME'
    : `it waits to be let in: remuda host approve ${name}`
