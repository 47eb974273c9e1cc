import type { View } from '../view.ts'

/** What may be lost without anything that is highly available staying down. */
export type Reserve = {
  /** Any so many hosts. Unit: count. */
  readonly hosts: number
  /** All hosts with one value of this label; undefined: hosts alone are thought of. */
  readonly domain: string | undefined
}

/** The reserve that operators have set; undefined: none. */
export function reserveOf(view: View): Reserve | undefined {
  const { reserveHosts: hosts = 0, reserveDomain: domain } = view.cloud?.healing ?? {}
  return hosts > 0 || domain !== undefined ? { hosts, domain } : undefined
}

/** The sentence part that names a reserve. */
export function reserveName({ hosts, domain }: Reserve): string {
  const some = hosts > 0 ? `any ${hosts} host${hosts === 1 ? '' : 's'}` : ''
  const whole = domain === undefined ? '' : `any one ${domain}`
  return [some, whole].filter(part => part !== '').join(', or of ')
}
