/** `npm run docs`: writes what comes from code. */
import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { writeApiDocs } from './api.ts'
import { writeFields } from './fields.ts'

const root = resolve(import.meta.dirname, '../..')
writeFields(root)
await writeApiDocs(root)
// The table of commands is made from the fields, so it is loaded once they are written.
const { cliDoc, cliDocFile } = await import('./cli.ts')
await writeFile(cliDocFile, cliDoc())
process.stdout.write(
  'tools/cli/fields/, docs/cli.md, docs/api.md, docs/api/openapi.json: written\n'
)
