/**
 * The program of the processes that run seeds. For many seeds it is bundled before they begin: one
 * file is loaded sooner than three hundred, and what is grouped in the sources for those who read
 * them is one object in the bundle. Mistakes are put into sources, so those are run with one.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { build } from 'esbuild'

/** What is run, and with which options of Node; it is there until it is disposed of. */
export type Program = AsyncDisposable & {
  readonly file: string
  readonly execArgv: readonly string[]
}

/** The sources themselves. */
export const sources = (): Program => ({
  file: path.join(import.meta.dirname, 'process.ts'),
  execArgv: [],
  [Symbol.asyncDispose]: () => Promise.resolve()
})

/** Bundles them into a folder of its own. What fails there names its place in the sources. */
export async function bundled(): Promise<Program> {
  const folder = await mkdtemp(path.join(tmpdir(), 'remuda-simulation-'))
  const file = path.join(folder, 'serve.mjs')
  await build({
    entryPoints: [path.join(import.meta.dirname, 'serve.ts')],
    outfile: file,
    bundle: true,
    minifySyntax: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    sourcemap: 'linked',
    sourcesContent: false,
    logLevel: 'warning'
  })
  const dispose = () => rm(folder, { recursive: true, force: true })
  return { file, execArgv: ['--enable-source-maps'], [Symbol.asyncDispose]: dispose }
}
