/** That docs/invariants.md names tests that exist, and every story. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'

const root = join(import.meta.dirname, '../..')
const page = readFileSync(join(root, 'docs/invariants.md'), 'utf8')

test('every test that the page of invariants names is there, with its title', t => {
  const named = [...page.matchAll(/`((?:test|tools)\/[^`]+)`(?: "([^"]+)")?/g)]
  t.true(named.length >= 29)
  const missing = named.filter(([, path = '', title]) => {
    const file = join(root, path)
    if (!existsSync(file)) return true
    if (statSync(file).isDirectory()) return title !== undefined
    return title !== undefined && !readFileSync(file, 'utf8').includes(title)
  })
  t.deepEqual(
    missing.map(([said]) => said),
    []
  )
})

test('the page names every story', t => {
  const stories = readdirSync(import.meta.dirname, { withFileTypes: true })
    .filter(entry => entry.isDirectory())
    .map(({ name }) => `test/scenarios/${name}`)
  t.deepEqual(
    stories.filter(story => !page.includes(`\`${story}\``)),
    []
  )
})

test('there are at least 60 stories of healing', t => {
  const stories = readdirSync(import.meta.dirname, { withFileTypes: true })
    .filter(entry => entry.isDirectory())
    .filter(({ name }) =>
      /"bmc"/.test(readFileSync(join(import.meta.dirname, name, 'fleet.json'), 'utf8'))
    )
  t.true(stories.length >= 60, String(stories.length))
})
