/** What a host that needs a lease and has none ends, and what it does not begin. */
import type { Order } from '#shared/wire/order.ts'
import type { OwnDomain } from './metadata.ts'
import { begins, othersCouldStart } from './self-fence.ts'
import { type Matter, type Situation, wishFor } from './situation.ts'
import type { Step } from './steps.ts'

/** Ends at once each domain of ours that others could start. */
export function diffCutOff(own: readonly OwnDomain[], situation: Situation): readonly Matter[] {
  const { cutOff, order } = situation
  if (!cutOff?.ends) return []
  return othersCouldStart(own, order).map(({ domain, metadata: { id, tenant, name } }) => {
    const { because } = cutOff
    const wish = wishFor(
      {
        type: 'destroy',
        instance: { id, tenant, name },
        domain: { driver: domain.driver, uuid: domain.uuid },
        crashed: false,
        because
      },
      situation
    )
    return { wish, settled: false }
  })
}

/** Whether a step may be begun all the same: nothing that lets run here what others could start. */
export const mayWhileCutOff = (step: Step, order: Order): boolean =>
  step.type !== 'migrate-domain' && step.type !== 'resume' && !begins(step, order)
