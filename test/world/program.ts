/** Programs that tests write and run. */
import { run } from '#shared/process.ts'

/**
 * Writes a script that can be run at once. Another process does it: whatever this one starts
 * meanwhile has its open files for a moment, and a file that is open for writing cannot be run.
 */
export async function writeProgram(path: string, content: string): Promise<void> {
  const script = 'cat >"$0" && chmod 755 "$0"'
  await run('sh', ['-c', script, path], { input: content, deadlineMs: 30_000 })
}
