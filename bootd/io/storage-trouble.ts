/** Why something cannot be written, in the same words with each try: that is one trouble. */
import { isFault, sentence } from '#shared/fault.ts'
import { codeOf } from '#shared/files.ts'

/**
 * Says it without the name of a draft, which is another one each time. What is neither a Fault nor
 * a failure of the operating system is a bug, and thrown on.
 */
export function storageTrouble(thrown: unknown): string {
  if (isFault(thrown)) {
    const why = codeOf(thrown.cause)
    return why === undefined ? sentence(thrown) : `${thrown.message} (${why})`
  }
  const { code, syscall, path } = thrown as NodeJS.ErrnoException
  if (code === undefined || syscall === undefined) throw thrown
  return `cannot ${syscall} ${path ?? 'a file'} (${code})`
}
