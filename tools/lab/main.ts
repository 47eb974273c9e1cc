/**
 * The part of `remuda lab up` and `lab down` that needs a checkout: it builds programs and images.
 * Started by the command line with the wish as JSON.
 */
import { describeFailure, exitCodeOf } from '../cli/failure.ts'
import { paintFor } from '../cli/terminal.ts'
import { makeSay } from '../up/say.ts'
import { openLab } from './open.ts'
import type { LabWish } from './plan.ts'
import { reportUp } from './report.ts'

const paint = paintFor(process.stderr, { environment: process.env, noColour: false })
try {
  const startedAt = performance.now()
  const say = makeSay(process.stderr)
  await using lab = await openLab({ ...(JSON.parse(process.argv[2]!) as LabWish), say })
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  for (const line of reportUp(lab, seconds)) process.stdout.write(`${line}\n`)
} catch (thrown) {
  process.stderr.write(describeFailure(thrown, paint))
  process.exitCode = exitCodeOf(thrown)
}
