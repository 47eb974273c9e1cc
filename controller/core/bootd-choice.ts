import type { Ms } from '#shared/units.ts'
import type { View } from './view.ts'

/** A bootd that is silent for so long is not used. Unit: ms. */
const silentMs: Ms = 2_000

/**
 * Chooses the bootd through which hosts are fenced, by its name: the one in use as long as it is
 * heard and its own machine is well, else that of our own machine, else any. One that cannot take
 * orders is left for any that can; where none can, it may yet be the first. Undefined: none.
 */
export function chooseBootd(
  view: View,
  given: {
    readonly bootds: readonly string[]
    /** When each was heard last, monotonic. */
    readonly heardAt: ReadonlyMap<string, Ms>
    /** Those that could not take what they were told. */
    readonly unable?: ReadonlySet<string>
    readonly active: string | undefined
    readonly own: string
    readonly now: Ms
  }
): string | undefined {
  const { bootds, heardAt, unable, active, own, now } = given
  const heard = bootds.filter(name => {
    const at = heardAt.get(name)
    if (at === undefined || now - at > silentMs) return false
    return view.named('host', name)?.decided.recovery === undefined
  })
  const able = heard.filter(name => !unable?.has(name))
  const usable = able.length > 0 ? able : heard
  if (active !== undefined && usable.includes(active)) return active
  return usable.includes(own) ? own : usable[0]
}
