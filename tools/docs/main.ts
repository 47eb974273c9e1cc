/** `npm run docs`: writes the pages that come from code. */
import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { writeApiDocs } from './api.ts'
import { cliDoc, cliDocFile } from './cli.ts'

const root = resolve(import.meta.dirname, '../..')
await writeApiDocs(root)
await writeFile(cliDocFile, await cliDoc())
process.stdout.write('docs/cli.md, docs/api.md and docs/api/openapi.json are written\n')
