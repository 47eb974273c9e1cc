import fs from 'node:fs'
import path from 'node:path'
import test from 'ava'
import { buildPackages } from '../../tools/image/packages.ts'

const folder = path.resolve(import.meta.dirname, '../../tools/packages')
const linesOf = (list: string) =>
  fs
    .readFileSync(path.join(folder, list), 'utf8')
    .split('\n')
    .filter(line => line !== '' && !line.startsWith('#'))
const namesOf = (list: string) => linesOf(list).map(line => line.replace(/\s*#.*/, ''))

const lists = ['run.txt', 'lab.txt', 'test.txt']

test('each package is named once, with what it is for', t => {
  const lines = lists.flatMap(linesOf)
  for (const line of lines) t.regex(line, /^[a-z0-9][a-z0-9.+-]+ +# \S/)
  const names = lists.flatMap(namesOf)
  t.deepEqual(names, [...new Set(names)])
})

test('what the images are built with is installed', t => {
  const names = namesOf('run.txt')
  t.deepEqual(
    buildPackages.filter(name => !names.includes(name)),
    []
  )
})
