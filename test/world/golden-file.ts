import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { ExecutionContext } from 'ava'

/**
 * Compares text with the file of that name under `golden/` in a folder. Only `UPDATE=1` writes it;
 * a file that is missing fails the test.
 */
export const goldenIn =
  (folder: string) =>
  (t: ExecutionContext, name: string, text: string): void => {
    const path = `${folder}/golden/${name}`
    if (process.env['UPDATE'] === '1') {
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, text)
    }
    t.true(existsSync(path), `${path} is missing: run again with UPDATE=1 and review it`)
    t.is(text, readFileSync(path, 'utf8'))
  }
