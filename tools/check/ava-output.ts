/**
 * Reads what ava reports. Its TAP reporter dies of a test that hangs or calls `process.exit`, and
 * takes all tests after it along; the default one does not, so its lines are what we count. It
 * writes them to standard output alone: what tests print goes elsewhere and cannot be mistaken.
 */

/** How many tests, or other checks, ended how. */
export type Outcome = { readonly passed: number; readonly failed: number; readonly skipped: number }

/** The outcome of no test at all. */
export const nothing: Outcome = { passed: 0, failed: 0, skipped: 0 }

/** What one line says: how a test ended, or what it said of itself. */
export type LineKind = 'passed' | 'failed' | 'skipped' | 'said' | 'end' | 'other'

/** Tells the lines of the report apart. After `end` come details, where nothing is counted. */
export function kindOf(line: string): LineKind {
  if (/^\s*[✔√] /.test(line)) return 'passed'
  // Those that were pending when time was up did not pass either.
  if (/^\s*[✘✖×◌] /.test(line)) return 'failed'
  if (/^\s*- \[(skip|todo)\] /.test(line)) return 'skipped'
  if (/^\s*ℹ /.test(line)) return 'said'
  return /^ {2}─+$/.test(line) ? 'end' : 'other'
}

/**
 * Counts the tests of a whole report. A run that ended badly without a failed test to show for it
 * is itself a failure, and so is one that ended well without any test.
 */
export function countTests(report: string, exitCode: number | undefined): Outcome {
  const lines = report.split('\n').map(kindOf)
  const end = lines.indexOf('end')
  const counted = end < 0 ? lines : lines.slice(0, end)
  const count = (kind: LineKind) => counted.filter(each => each === kind).length
  const [passed, failed, skipped] = [count('passed'), count('failed'), count('skipped')]
  const silent = failed === 0 && (exitCode !== 0 || passed + skipped === 0)
  return { passed, failed: silent ? 1 : failed, skipped }
}

/** The sum of several outcomes. */
export const sum = (outcomes: readonly Outcome[]): Outcome =>
  outcomes.reduce(
    (all, one) => ({
      passed: all.passed + one.passed,
      failed: all.failed + one.failed,
      skipped: all.skipped + one.skipped
    }),
    nothing
  )
