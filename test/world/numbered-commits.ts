import type { Commit } from '../../controller/core/commit.ts'
import type { Entry, Journal, Position } from '../../controller/core/ports.ts'

/** A commit that says which one it is. */
export const numbered = (number: number, filling = ''): Commit => ({
  changes: [],
  decisions: [
    {
      at: '2026-01-01T00:00:00.000Z',
      by: 'controller',
      verb: 'placed',
      because: `because of ${number}${filling}`,
      subjects: [`instance/shop/web-${number}`]
    }
  ]
})

/** All entries after a position. */
export async function read(journal: Journal, after: Position = 0): Promise<readonly Entry[]> {
  return Array.fromAsync(journal.entries(after))
}
