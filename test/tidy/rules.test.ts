import test from 'ava'
import { blank, importsOf } from './code.ts'
import * as rules from './rules.ts'

test('what is blanked keeps its place', t => {
  for (const [text, code] of [
    ["a('x y') // b", "a('   ')     "],
    ['a /* b\nc */ d', 'a     \n     d'],
    ['`a \x24{b + `c \x24{d}`} e` + f', '`  \x24{b + `  \x24{d}`}  ` + f'],
    ['`\x24{{ a: "}" }}` + c', '`\x24{{ a: " " }}` + c'],
    [
      'x = /[\'"/]/g.test(y) / 2',
      'x =         .test(y) / 2'.replace('x =         ', 'x =        g')
    ],
    ['return /a\\/b/', 'return       '],
    ["'it\\'s' + b", "'     ' + b"],
    ['a /* never closed', 'a                ']
  ] as const) {
    t.is(blank(text), code, text)
    t.is(blank(text).length, text.length)
  }
})

test('imports are found in every form, and in no string or comment', t => {
  const text = `import a from 'a'
import type { B } from './b.ts'
import { type C,
  d } from '#shared/c.ts'
import 'e'
export * from './f.ts'
// import g from 'g'
const h = "import x from 'h'"
const i = await import('./i.ts')
`
  t.deepEqual(
    importsOf(text).map(({ name, line, typeOnly }) => [name, line, typeOnly]),
    [
      ['a', 1, false],
      ['./b.ts', 2, true],
      ['#shared/c.ts', 4, false],
      ['e', 5, false],
      ['./f.ts', 6, false],
      ['./i.ts', 9, false]
    ]
  )
})

const wide = `// ${'x'.repeat(98)}`
for (const [rule, path, text, broken] of [
  [rules.layers, 'agent/io/a.ts', "import '../../controller/io/b.ts'", true],
  [rules.layers, 'agent/io/a.ts', "import '#shared/b.ts'", false],
  [rules.layers, 'shared/a.ts', "import '../tools/b.ts'", true],
  [rules.layers, 'tools/a.ts', "import '../agent/io/b.ts'", false],
  [rules.coreImports, 'agent/core/a.ts', "import '../io/b.ts'", true],
  [rules.coreImports, 'agent/core/b/a.ts', "import '../b.ts'", false],
  [rules.coreImports, 'agent/core/a.ts', "import fs from 'node:fs'", true],
  [rules.coreImports, 'agent/core/a.ts', "import type { Duplex } from 'node:stream'", false],
  [rules.coreImports, 'agent/core/a.ts', "import assert from 'node:assert/strict'", false],
  [rules.coreImports, 'agent/core/a.ts', "import yaml from 'yaml'", true],
  [rules.coreImports, 'agent/io/a.ts', "import yaml from 'yaml'", false],
  [rules.purity, 'agent/core/a.ts', 'const a = Date.now()', true],
  [rules.purity, 'agent/core/a.ts', 'const a = new Date()', true],
  [rules.purity, 'agent/core/a.ts', 'const a = new Date(now)', false],
  [rules.purity, 'agent/core/a.ts', '// Date.now() is not here', false],
  [rules.purity, 'agent/core/a.ts', 'async function a() {}', true],
  [rules.purity, 'agent/core/a.ts', 'console.log(a)', true],
  [rules.purity, 'agent/core/a.ts', 'console(domain: DomainKey): void', false],
  [rules.purity, 'agent/core/a.ts', 'process.exit(1)', true],
  [rules.purity, 'agent/core/a.ts', 'a.process.b', false],
  [rules.purity, 'agent/core/a.ts', 'Math.random()', true],
  [rules.purity, 'agent/core/a.ts', 'setTimeout(a)', true],
  [rules.purity, 'agent/io/a.ts', 'Date.now()', false],
  [rules.page, 'shared/a.ts', `${wide}x`, true],
  [rules.page, 'shared/a.ts', wide.slice(0, 100), false],
  [rules.page, 'shared/a.ts', '\n'.repeat(401), true],
  [rules.page, 'shared/a.ts', '\n'.repeat(400), false],
  [rules.fileNames, 'shared/Log.ts', '', true],
  [rules.fileNames, 'shared/loop_lag.ts', '', true],
  [rules.fileNames, 'shared/loop-lag.test.ts', '', false],
  [rules.words, 'shared/host-manager.ts', '', true],
  [rules.words, 'shared/a.ts', 'const hostInfo = 1', true],
  [rules.words, 'shared/a.ts', 'const metadata = information', false],
  [rules.words, 'shared/a.ts', "const a = 'data'", false],
  [rules.words, 'shared/a.ts', 'const userData = 1', false],
  [rules.erasable, 'shared/a.ts', 'export enum A { B }', true],
  [rules.erasable, 'shared/a.ts', 'namespace A {}', true],
  [rules.erasable, 'shared/a.ts', "const a = 'enum b {'", false],
  [rules.unfinished, 'shared/a.ts', `// ${'TO'}${'DO'}: later`, true],
  [rules.typed, 'shared/a.ts', 'let a: any', true],
  [rules.typed, 'shared/a.ts', 'let a: Record<string, any>', true],
  [rules.typed, 'shared/a.ts', 'f(a as any[])', true],
  [rules.typed, 'shared/a.ts', 'const any = b.any(c)', false],
  [rules.typed, 'shared/a.ts', 'let a: unknown // any', false],
  [rules.documented, 'shared/a.ts', 'export const a = 1', true],
  [rules.documented, 'shared/a.ts', '/** Is one. */\nexport const a = 1', false],
  [rules.documented, 'shared/a.ts', '/** Is. */\nexport const A = 1\nexport type A = 1', false],
  [rules.documented, 'shared/a.ts', '/** The file. */\n\nexport const a = 1', true],
  [
    rules.documented,
    'shared/a.ts',
    '/** Is one. */\n// biome-ignore lint/a/b: so be it\nexport const a = 1',
    false
  ],
  [rules.documented, 'test/a.ts', 'export const a = 1', false]
] as const) {
  const short = text.length > 60 ? `${text.slice(0, 20).trim()} … (${text.length})` : text
  test(`${rule.name} ${broken ? 'refuses' : 'allows'} ${JSON.stringify(short)} in ${path}`, t => {
    const found = rule([rules.sourceFile(path, text)])
    t.is(found.length, broken ? 1 : 0, found.join('\n'))
    if (broken) t.true(found[0]!.startsWith(path))
  })
}

test('a package that two files import is named with both', t => {
  const user = (path: string) => rules.sourceFile(path, "import a from '@b/c/d'")
  t.deepEqual(rules.dependencies([user('shared/a.ts')]), [])
  t.deepEqual(rules.dependencies([user('shared/a.ts'), user('test/a.test.ts')]), [])
  t.deepEqual(rules.dependencies([user('shared/a.ts'), user('tools/b.ts')]), [
    '@b/c is imported by shared/a.ts, tools/b.ts: at most 1 may'
  ])
})

test('schemas are written in typebox where they belong', t => {
  const user = (path: string) => rules.sourceFile(path, "import Type from 'typebox'")
  for (const path of ['shared/model/a.ts', 'shared/wire/a.ts', 'agent/io/config.ts']) {
    t.deepEqual(rules.dependencies([user(path)]), [])
  }
  t.is(rules.dependencies([user('tools/a.ts')]).length, 1)
})
