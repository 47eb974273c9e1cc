/** The house rules, as far as a program can check them. */
import { execFile } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import * as rules from './tidy/rules.ts'

const root = path.dirname(import.meta.dirname)
const files = fs
  .globSync('{shared,controller,agent,bootd,tools,test}/**/*.ts', { cwd: root })
  .sort()
  .map(file => rules.sourceFile(file, fs.readFileSync(path.join(root, file), 'utf8')))

const titles: readonly (readonly [string, rules.Rule])[] = [
  ['controller, agent and bootd import shared and themselves', rules.layers],
  ['core imports only itself, shared and assert', rules.coreImports],
  ['core has no clock, chance, logging or waiting', rules.purity],
  ['files fit the page', rules.page],
  ['files are named in kebab-case', rules.fileNames],
  ['names have no words that say nothing', rules.words],
  ['types can be erased', rules.erasable],
  ['nothing is left for later', rules.unfinished],
  ['no type is switched off', rules.typed],
  ['each package is imported in one file', rules.dependencies],
  ['each export has a sentence', rules.documented]
]

for (const [title, rule] of titles) {
  test(title, t => {
    t.deepEqual(rule(files), [])
  })
}

const functionLinesMax = 70

test(`functions have at most ${functionLinesMax} lines`, async t => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'remuda-tidy-'))
  t.teardown(() => fs.rmSync(folder, { recursive: true, force: true }))
  const rule = { level: 'error', options: { maxLines: functionLinesMax } }
  const configuration = {
    linter: { rules: { complexity: { noExcessiveLinesPerFunction: rule } } }
  }
  fs.writeFileSync(path.join(folder, 'biome.json'), JSON.stringify(configuration))
  const biome = path.join(root, 'node_modules/@biomejs/biome/bin/biome')
  const parts = ['shared', 'controller', 'agent', 'bootd', 'tools', 'test']
  const args = [
    ...[biome, 'lint', '--reporter=github', '--max-diagnostics=none'],
    ...['--only=complexity/noExcessiveLinesPerFunction', `--config-path=${folder}`],
    ...parts.filter(part => fs.existsSync(path.join(root, part)))
  ]
  const { code, output } = await promisify(execFile)(process.execPath, args, { cwd: root }).then(
    ({ stdout }) => ({ code: 0, output: stdout }),
    (error: { readonly code: number; readonly stdout: string; readonly stderr: string }) => ({
      code: error.code,
      output: error.stdout + error.stderr
    })
  )
  const broken = [...output.matchAll(/^::.*?file=(.*?),line=(\d+),.*?::(.*)$/gm)].map(
    ([, file = '', line, says]) => `${path.relative(root, file)}:${line} ${says}`
  )
  t.deepEqual(broken, [])
  t.is(code, 0, `the linter itself failed: ${output}`)
})
