import { parseArgs } from 'node:util'
import { Fault, sentence } from '#shared/fault.ts'
import { buildImages } from './build.ts'
import type { ImageKind } from './manifest.ts'

export { buildImages, type ImageOptions, type Images } from './build.ts'
export type { Image, ImageKind } from './manifest.ts'
export { buildPackages } from './packages.ts'

const usage = 'usage: node tools/image/main.ts --out FOLDER [--only vm|container] [--cache FOLDER]'

async function main(words: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...words],
    options: {
      out: { type: 'string' },
      only: { type: 'string' },
      cache: { type: 'string' }
    }
  })
  const { out, only, cache } = values
  if (!out || (only !== undefined && !isKind(only))) {
    throw new Fault('invalid', `cannot build images: ${usage}`)
  }
  const { images } = await buildImages({
    out,
    only,
    cache,
    progress: line => process.stderr.write(`${line}\n`)
  })
  for (const image of images) {
    process.stdout.write(`${image.sha256}  ${image.path}\n`)
  }
}

const isKind = (word: string): word is ImageKind => word === 'vm' || word === 'container'

if (import.meta.main) {
  await main(process.argv.slice(2)).catch(thrown => {
    process.stderr.write(`${sentence(thrown)}\n`)
    if (thrown instanceof Fault) {
      for (const line of [...thrown.reasons, ...thrown.next]) process.stderr.write(`  ${line}\n`)
    }
    process.exitCode = 1
  })
}
