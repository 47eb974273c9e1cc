/**
 * What a bench of hours has measured, part by part. With a file to keep it in, a run that was ended
 * goes on where it was: parts that are in the file are told and not measured again. The end is a
 * table of all parts.
 */
import { readFile, rename, writeFile } from 'node:fs/promises'

/** Measures a part and tells it in one line, unless it is kept already. */
export type Part = (name: string, measure: () => Promise<string>) => Promise<void>

/** Parts of a bench, and the table of them. */
export type Parts = { readonly part: Part; readonly table: () => readonly string[] }

/** Opens what was kept in a file; undefined: nothing is kept. */
export async function openParts(
  file: string | undefined,
  print: (line: string) => void
): Promise<Parts> {
  const kept = new Map(Object.entries(file === undefined ? {} : await keptIn(file)))
  const all = new Map<string, string>()
  return {
    part: async (name, measure) => {
      const known = kept.get(name)
      const line = known ?? (await measure())
      all.set(name, line)
      print(`${name}: ${line}${known === undefined ? '' : ' (kept)'}`)
      if (known !== undefined || file === undefined) return
      kept.set(name, line)
      await writeFile(`${file}.next`, JSON.stringify(Object.fromEntries(kept), undefined, 2))
      await rename(`${file}.next`, file)
    },
    table: () => [
      '| part | what came of it |',
      '|---|---|',
      ...[...all].map(([name, line]) => `| ${name} | ${line} |`)
    ]
  }
}

async function keptIn(file: string): Promise<Readonly<Record<string, string>>> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Readonly<Record<string, string>>
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw thrown
  }
}
