import { readFileSync } from 'node:fs'
import test from 'ava'
import { generateProcedures, proceduresPath } from '../../../tools/libvirt-rpc.ts'

test('the table of procedures is what the generator writes', t => {
  const committed = readFileSync(new URL(`../../../${proceduresPath}`, import.meta.url), 'utf8')
  t.is(committed, generateProcedures(), 'run: node tools/libvirt-rpc.ts')
})
