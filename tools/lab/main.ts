/**
 * The part of `remuda lab up` that needs a checkout: it installs what is missing, and builds
 * programs and images. Started by the command line with the wish as JSON.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { describeFailure, exitCodeOf } from '../cli/failure.ts'
import { paintFor } from '../cli/terminal.ts'
import { makeSay } from '../up/say.ts'
import { openLab } from './open.ts'
import type { LabWish } from './plan.ts'
import { reportUp } from './report.ts'

const paint = paintFor(process.stderr, { environment: process.env, noColour: false })
if (!(await prepare())) process.exit(1)
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

/** Has the missing Debian packages installed that a lab needs; the script says why it cannot. */
async function prepare(): Promise<boolean> {
  const script = join(import.meta.dirname, '../bootstrap.sh')
  const [code] = await once(spawn('sh', [script, 'lab'], { stdio: ['ignore', 2, 2] }), 'close')
  return code === 0
}
