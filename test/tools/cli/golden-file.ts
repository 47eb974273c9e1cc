import fs from 'node:fs'
import path from 'node:path'
import type { ExecutionContext } from 'ava'

/** Compares a text with the file of that name under `golden/`; only UPDATE=1 writes it. */
export function isGolden(t: ExecutionContext, name: string, text: string): void {
  const file = path.join(import.meta.dirname, 'golden', name)
  if (process.env['UPDATE'] === '1') {
    fs.mkdirSync(path.dirname(file), { recursive: true })
    fs.writeFileSync(file, text)
  }
  t.true(fs.existsSync(file), `${file} is missing: run again with UPDATE=1 and review it`)
  t.is(text, fs.readFileSync(file, 'utf8'))
}
