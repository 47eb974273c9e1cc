import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { findRemains } from '../../agent/io/remains.ts'
import { idOf } from './samples.ts'

test('seeds and console logs are known by the ids of their instances, once each', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'remuda-remains-'))
  try {
    const [a, b, c] = [1, 2, 3].map(number => idOf('i', number))
    const files = {
      seeds: [`${a}.iso`, `${b}.iso`, '.tmp-1-2', 'notes.iso', `${c}.iso.old`],
      console: [`${b}.log`, `${b}.log.0`, `${c}.log.1`, 'i-1.log', `${c}.txt`]
    }
    for (const [name, names] of Object.entries(files)) {
      await mkdir(join(folder, name))
      for (const each of names) await writeFile(join(folder, name, each), '')
    }
    const folders = [join(folder, 'seeds'), join(folder, 'console')]
    t.deepEqual(await findRemains([folders[0]!]), [a, b])
    t.deepEqual(await findRemains(folders), [a, b, c])
  } finally {
    await rm(folder, { recursive: true })
  }
})
