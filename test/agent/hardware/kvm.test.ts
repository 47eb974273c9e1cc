import fs from 'node:fs/promises'
import test from 'ava'
import { isFault } from '#shared/fault.ts'
import { silentLog } from '#shared/log.ts'
import { guestArguments, guestSector, guestWords } from '../../../agent/core/kvm-guest.ts'
import { tryKvm } from '../../../agent/io/kvm.ts'
import { makeTree } from './made-tree.ts'

test('the boot sector is 512 bytes, points at its words and ends with the mark', t => {
  const sector = guestSector()
  t.is(sector.length, 512)
  t.deepEqual([...sector.subarray(510)], [0x55, 0xaa])
  // In long mode, after its interrupt: mov esi, words.
  const load = sector.findIndex((byte, at) => byte === 0xcd && sector[at + 1] === 0x31) + 2
  t.is(sector[load], 0xbe)
  const words = new DataView(sector.buffer).getUint32(load + 1, true) - 0x7c00
  const text = Buffer.from(sector.subarray(words, sector.indexOf(0, words)))
  t.is(text.toString(), guestWords)
})

test('a comma in the path of the disk does not end the option', t => {
  const args = guestArguments({ disk: '/a,b/disk', accelerator: 'kvm' })
  t.true(args.includes('if=none,id=boot,format=raw,readonly=on,file=/a,,b/disk'))
})

test('the guest of the trial is heard where no KVM is needed', async t => {
  await using tree = await makeTree({})
  const options = { folder: tree.folder, log: silentLog, deadlineMs: 60_000 }
  const verdict = await tryKvm({ ...options, accelerator: 'tcg' })
  t.regex(verdict.because, /^a guest ran under TCG within \d+ ms$/)
  t.true(verdict.works)
  t.deepEqual(await fs.readdir(tree.folder), ['kvm.json'])
})

test('what this machine can do under KVM is said with its proof', async t => {
  await using tree = await makeTree({})
  const { works, because } = await tryKvm({ ...tree, log: silentLog })
  const proof = works
    ? /^a guest ran under KVM within \d+ ms$/
    : /^(no )?\/dev\/kvm( is there, but (a guest did not reach|qemu could not run a guest: \S)|: )/
  t.regex(because, proof)
  t.log(`works: ${works}, ${because}`)
})

test('a device that is not there is said, with what may be wrong', async t => {
  await using tree = await makeTree({})
  const verdict = await tryKvm({ ...tree, log: silentLog, device: '/dev/not-kvm' })
  t.false(verdict.works)
  t.regex(verdict.because, /^no \/dev\/not-kvm: (virtualisation is off|the processor can)/)
  t.deepEqual(await fs.readdir(tree.folder), [], 'what is cheap to find out is not kept')
})

test('an emulator that is not there is said', async t => {
  await using tree = await makeTree({})
  t.deepEqual(await tryKvm({ ...tree, log: silentLog, emulator: 'qemu-system-none' }), {
    works: false,
    because: 'qemu-system-none is not installed'
  })
})

test('a guest that is not heard in time is no guest', async t => {
  await using tree = await makeTree({})
  // Twenty milliseconds are too short for firmware to come up, with or without KVM.
  const options = { ...tree, log: silentLog, deadlineMs: 20, accelerator: 'tcg' } as const
  t.deepEqual(await tryKvm(options), {
    works: false,
    because: 'without KVM a guest did not reach its first output within 20 ms'
  })
})

test('a trial is made once per boot and qemu', async t => {
  await using tree = await makeTree({})
  const options = { ...tree, log: silentLog, accelerator: 'tcg' } as const
  const file = `${tree.folder}/kvm.json`
  await tryKvm({ ...options, deadlineMs: 60_000 })
  const kept = JSON.parse(await fs.readFile(file, 'utf8'))
  const marked = { ...kept, because: 'it was kept' }
  await fs.writeFile(file, JSON.stringify(marked))
  t.is((await tryKvm(options)).because, 'it was kept')
  await fs.writeFile(file, JSON.stringify({ ...marked, bootId: 'another' }))
  t.not((await tryKvm(options)).because, 'it was kept')
  await fs.writeFile(file, '{ torn')
  t.not((await tryKvm(options)).because, 'it was kept')
})

test('a trial that nobody wants any more is given up', async t => {
  await using tree = await makeTree({})
  const signal = AbortSignal.abort(new Error('enough'))
  const error = await t.throwsAsync(tryKvm({ ...tree, log: silentLog, accelerator: 'tcg', signal }))
  t.true(isFault(error, 'aborted'))
})
