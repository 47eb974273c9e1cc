import { Fault, type FaultOptions } from '../fault.ts'

/** Why something that came in could not be read; the names of counters. */
export type Unreadable = 'garbage' | 'oversized' | 'otherVersion'

/** What could not be read, with the name under which it is counted. */
export class UnreadableFault extends Fault {
  readonly counted: Unreadable

  constructor(counted: Unreadable, message: string, options: FaultOptions = {}) {
    super('protocol', message, options)
    this.counted = counted
  }
}
