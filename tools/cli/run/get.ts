import type { Invocation } from '../invocation.ts'
import { readKind } from '../kinds.ts'
import { writeList } from './list.ts'
import { writeOne } from './show.ts'
import { readSubject } from './subject.ts'

/** Shows a kind or one resource of any kind. */
export async function get(invocation: Invocation): Promise<void> {
  const asked = invocation.given.positional('KIND[/NAME]')!
  if (asked.includes('/')) return writeOne(invocation, readSubject(invocation, asked))
  return writeList(invocation, readKind(asked).kind)
}
