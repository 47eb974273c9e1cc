/**
 * Whether anybody could switch the power of hosts. A cloud whose bootds are all silent looks well
 * until a host dies; so that is an alarm before it is needed, and what they had said of devices is
 * forgotten: nobody knows any more whether those answer.
 */
import { formatMs, type Ms } from '#shared/units.ts'
import type { FenceState } from '#shared/wire/fence.ts'
import { type Context, decision, isoOf } from './admission/context.ts'
import { healingSubject } from './admission/healing.ts'
import type { Commit } from './commit.ts'
import { fitName } from './fit-name.ts'
import { notification } from './notification.ts'
import type { View } from './view.ts'

/** No bootd is heard for so long: that is told. Unit: ms. */
export const bootdSilentMs: Ms = 10_000

/** What operators were told of bootds last. */
export type BootdTold = 'silent' | 'heard'

/** What this controller or one before it has told last. */
export function bootdTold(view: View): BootdTold {
  const lastAt = (told: BootdTold): string =>
    view.named('event', fitName(`bootd-${told}-${healingSubject.replaceAll('/', '-')}`))?.decided
      .lastAt ?? ''
  return lastAt('silent') > lastAt('heard') ? 'silent' : 'heard'
}

/** Tells that no bootd is heard; undefined: no host has a device that one could use. */
export function bootdSilent(view: View, silentMs: Ms, context: Context): Commit | undefined {
  const hosts = [...view.all('host').values()]
  const count = hosts.filter(({ spec }) => (spec.fence ?? []).length > 0).length
  if (count === 0) return undefined
  const whose = count === 1 ? 'the device of 1 host' : `the devices of ${count} hosts`
  const message =
    `no bootd is heard for ${formatMs(silentMs)}, so ${whose} cannot be used: if one dies, it is ` +
    'not proven off by its device; see that remuda-bootd runs beside a controller'
  return told(view, { verb: 'bootd-silent', message, severity: 'alarm' }, context)
}

/** Tells that one is heard again. */
export const bootdHeard = (view: View, bootd: string, context: Context): Commit =>
  told(
    view,
    {
      verb: 'bootd-heard',
      message: `hosts can be fenced again, through the bootd of ${bootd}`,
      severity: 'notice'
    },
    context
  )

/** What is known of fences once nobody is heard who could say it. */
export const unknownFences = (view: View, epoch: number, context: Context): readonly FenceState[] =>
  [...view.all('host').values()].flatMap(({ name, decided }) =>
    view.fence(name)
      ? {
          ...{ host: decided.uuid, name, want: 'watch', epoch, phase: 'idle' },
          ...{ since: isoOf(context), attempt: 0, level: 0, story: [], devices: [] }
        }
      : []
  )

function told(
  view: View,
  said: {
    readonly verb: string
    readonly message: string
    readonly severity: 'notice' | 'alarm'
  },
  context: Context
): Commit {
  const { verb, message, severity } = said
  const seen = { subject: healingSubject, reason: verb, message, severity, at: isoOf(context) }
  const event = notification(view, { ...seen, source: 'controller' }, context)
  return {
    changes: [{ op: 'put', resource: event }],
    decisions: [decision(context, verb, message, healingSubject)]
  }
}
