/** Writes what the API is out of its own routes: `docs/api/openapi.json` and `docs/api.md`. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { version } from '#shared/version.ts'
import { makeApp, routesOf } from '../../controller/io/api/app.ts'
import type { Route } from '../../controller/io/api/route.ts'
import type { Service } from '../../controller/io/api/service.ts'

/** The description for programs; from the root of the project. */
export const openapiPath = 'docs/api/openapi.json'
/** The page for people; from the root of the project. */
export const apiPagePath = 'docs/api.md'

/** A service that nobody calls: routes are described without any of their parts. */
const nobodyHome = { version } as Service

/** The description of the API, OpenAPI 3.1, as text. */
export async function openapiText(): Promise<string> {
  const app = await makeApp(nobodyHome)
  try {
    return `${JSON.stringify(app.openapi(), null, 1)}\n`
  } finally {
    await app.close()
  }
}

const roles: Readonly<Record<Route['role'], string>> = {
  anyone: 'anyone',
  reader: 'reader',
  admin: 'admin'
}

/** The page for people: conventions, as `api-intro.md` beside this has them, then every path. */
export async function apiPage(): Promise<string> {
  const intro = await readFile(join(import.meta.dirname, 'api-intro.md'), 'utf8')
  const routes = routesOf(nobodyHome)
  const tags = [...new Set(routes.map(({ tag }) => tag))]
  const sections = tags.map(tag => {
    const rows = routes
      .filter(route => route.tag === tag)
      .map(
        ({ method, path, role, summary }) =>
          `| \`${method} ${path}\` | ${roles[role]} | ${summary} |`
      )
    return [`## ${tag}`, '', '| request | who | what |', '|---|---|---|', ...rows, ''].join('\n')
  })
  return `${intro}\n${sections.join('\n')}`
}

/** Writes both files below a root. */
export async function writeApiDocs(root: string): Promise<void> {
  await writeFile(join(root, openapiPath), await openapiText())
  await writeFile(join(root, apiPagePath), await apiPage())
}
