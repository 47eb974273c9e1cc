import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { apiPage, apiPagePath, openapiPath, openapiText } from '../docs/api.ts'
import { cliDoc, cliDocFile } from '../docs/cli.ts'
import { fieldModules } from '../docs/fields.ts'
import { generateProcedures, proceduresPath } from '../libvirt-rpc.ts'

/** A file that a program of ours writes, and that is kept with the sources. */
type Generated = {
  readonly file: string
  /** How to write it again. */
  readonly command: string
  readonly generate: () => string | Promise<string>
}

const root = path.resolve(import.meta.dirname, '../..')

const generated: readonly Generated[] = [
  { file: proceduresPath, command: 'node tools/libvirt-rpc.ts', generate: generateProcedures },
  { file: path.relative(root, cliDocFile), command: 'npm run docs', generate: cliDoc },
  { file: openapiPath, command: 'npm run docs', generate: openapiText },
  { file: apiPagePath, command: 'npm run docs', generate: apiPage },
  ...fieldModules.map(({ file, text }) => ({ file, command: 'npm run docs', generate: text }))
]

/** The generated files that are not as their generator would write them now. */
export async function staleFiles(): Promise<readonly Omit<Generated, 'generate'>[]> {
  const checked = await Promise.all(
    generated.map(async ({ file, command, generate }) => {
      const [kept, made] = await Promise.all([
        readFile(path.join(root, file), 'utf8').catch(() => undefined),
        generate()
      ])
      return kept === made ? [] : [{ file, command }]
    })
  )
  return checked.flat()
}
