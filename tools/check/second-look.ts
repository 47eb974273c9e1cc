/**
 * Tests with real daemons, sockets and a shared machine fail now and then for what is no mistake of
 * the product: a port that another process took just then, a daemon that was starved. Such a file
 * is run once more, alone; when it passes then, its tests count as passed and are named as
 * unsteady, which is a defect of the test, and to be mended.
 *
 * Only the folders that are named here have that excuse. What guards the one copy of an instance,
 * an acknowledged write or a secret is never asked twice, and neither is what draws its cases by
 * chance: one failure of it in a thousand is one disk in a thousand.
 */
import path from 'node:path'

/** Most files that are run once more: where more fail, it is no accident. */
export const secondFilesMax = 3

const unsteady = /^test\/(lab|bootd|tools|controller\/(api|mesh|io))\//
const guarding = [
  ...[/fence/, /migration/, /post-copy/, /locks/, /storage/, /watchdog/, /healing/, /chaos/],
  ...[/faults/, /kills/, /journal/, /candidates/, /zookeeper/, /security/]
]

const mayRepeat = (file: string, text: string): boolean =>
  unsteady.test(file) && !guarding.some(word => word.test(file)) && !text.includes('fast-check')

/** How many tests failed, of which files, and how to read one of these. */
export type Failures = {
  readonly failed: number
  readonly files: readonly string[]
  readonly textOf: (file: string) => string
}

/**
 * The files of all failed tests of a report, when each may be run once more; undefined when one may
 * not, when it cannot be told which they are, or when they are too many.
 */
export function filesToRepeat(
  report: readonly string[],
  { failed, files, textOf }: Failures
): readonly string[] | undefined {
  const titles = failedTitles(report)
  if (failed === 0 || titles.length !== failed) return undefined
  const prefixes = prefixesOf(files)
  const found = new Set<string>()
  for (const title of titles) {
    const file = fileOf(title, prefixes)
    if (file === undefined || !mayRepeat(file, textOf(file))) return undefined
    found.add(file)
  }
  return found.size > secondFilesMax ? undefined : [...found]
}

/** Titles of tests that failed by what they found; one that was still running has no such line. */
export function failedTitles(report: readonly string[]): readonly string[] {
  return report.flatMap(line => /^\s*[✘✖×] \[fail\]: (.*)$/.exec(line)?.[1] ?? [])
}

/** What ava puts before the titles of each file: its path below what all have in common. */
function prefixesOf(files: readonly string[]): ReadonlyMap<string, string> {
  const folders = files.map(file => path.dirname(file).split('/'))
  const [first = []] = folders
  const differs = first.findIndex((part, at) => folders.some(folder => folder[at] !== part))
  const common = first.slice(0, differs < 0 ? first.length : differs).join('/')
  return new Map(
    files.map(file => {
      const parts = path
        .relative(common, file)
        .replace(/\.test\.ts$/, '')
        .split('/')
      return [`${parts.join(' › ')} › `, file]
    })
  )
}

function fileOf(title: string, prefixes: ReadonlyMap<string, string>): string | undefined {
  const fitting = [...prefixes.keys()].filter(prefix => title.startsWith(prefix))
  const [longest] = fitting.sort((a, b) => b.length - a.length)
  return longest === undefined ? undefined : prefixes.get(longest)
}
