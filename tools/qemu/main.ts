/**
 * `npm run qemu`: gets a QEMU that moves emulated VMs without breaking them, for labs on a machine
 * whose own is older.
 */
import { describeFailure, exitCodeOf } from '../cli/failure.ts'
import { paintFor } from '../cli/terminal.ts'
import { checkQemu, qemuHome } from './home.ts'
import { machineQemu, qemuMovesMin } from './version.ts'

try {
  const folder = await qemuHome({ progress: line => process.stderr.write(`${line}\n`) })
  const own = await machineQemu()
  const words = own === undefined ? 'the machine has none' : `the machine's own is ${own}`
  process.stdout.write(
    `QEMU ${await checkQemu(folder)} is in ${folder}; ${words}, ${qemuMovesMin} is wanted\n` +
      `  remuda lab up --qemu ${folder}\n`
  )
} catch (thrown) {
  const paint = paintFor(process.stderr, { environment: process.env, noColour: false })
  process.stderr.write(describeFailure(thrown, paint))
  process.exitCode = exitCodeOf(thrown)
}
