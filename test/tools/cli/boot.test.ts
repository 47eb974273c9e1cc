/** How machines boot, as typed to a whole controller whose bootd has told of two versions. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { BootFeed } from '../../../controller/io/boot-feed.ts'
import { bootOf, first, second } from '../../controller/core/boot/boot-world.ts'
import { bootWorld, hearBoots } from '../../world/boots-heard.ts'
import type { WorldController } from '../../world/world-controller.ts'
import { typeLine } from './type-line.ts'

type Line = readonly [line: string, code: number, says: RegExp]

/** Types lines one after another; each says what it should. */
async function types(
  t: ExecutionContext,
  lines: readonly Line[],
  prepare: (world: WorldController) => void = () => {}
): Promise<void> {
  t.timeout(120_000)
  await using world = await bootWorld()
  prepare(world)
  const server = `unix:${world.socket('admin')}`
  for (const [line, wanted, says] of lines) {
    const { code, output, errors } = await typeLine(line, { server })
    t.is(code, wanted, `${line}: ${errors}`)
    t.regex(`${output}${errors}`, says, line)
  }
}

async function fileOf(t: ExecutionContext, text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'remuda-boot-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'keys')
  await writeFile(file, text)
  return file
}

test('how machines boot is shown and set', async t => {
  const keys = await fileOf(t, '# operators\nssh-ed25519 AAAA one\n\nssh-ed25519 BBBB two\n')
  const imageKey = await fileOf(t, `untrusted comment: public key\nRW${'A'.repeat(54)}\n`)
  await types(t, [
    ['boot show', 0, /^image +none: remuda host-image list, remuda host-image promote VERSION$/m],
    ['boot show', 0, /^c1 +full +http:\/\/10\.0\.0\.2:7480 +-$/m],
    ['boot show -o json', 0, /"unknown": ?"wait"/],
    ['boot set', 2, /cannot set nothing/],
    ['boot set --unknown nothing', 0, /^unknown +get nothing$/m],
    ['boot set --unknown wait', 0, /^unknown +boot, and wait for: remuda host approve NAME$/m],
    [
      'boot set --let-in 40 --for 2h --from 10.0.0.0/24',
      0,
      /^unknown +40 more come in by themselves from 10\.0\.0\.0\/24 until .*; others wait$/m
    ],
    ['boot set --let-in 0', 0, /^unknown +boot, and wait for/m],
    [`boot set --ssh-keys ${keys}`, 0, /^log in +2 keys$/m],
    [`boot set --ssh-keys ${keys}`, 0, /^unchanged$/m],
    ['boot set --ssh-keys none', 0, /^log in +0 keys$/m],
    ['boot set --ssh-keys /nonexistent/keys', 3, /cannot read \/nonexistent\/keys/],
    [`boot set --image-key ${imageKey}`, 0, /^signed by +RWA{54}$/m],
    ['boot set --image-key any', 0, /^signed by +any key: remuda boot set --image-key FILE$/m],
    ['boot set --kernel-options console=ttyS1,115200', 0, /^kernel +console=ttyS1,115200$/m],
    ['boot set --join-within 20m', 0, /^boots in +1200 s at most$/m],
    ['boot set --join-within 5s', 2, /join-within/],
    ['boot show', 0, /^peers +bootds alone serve images$/m],
    ['boot set --peers on', 0, /^peers +hosts serve their image to each other$/m],
    ['boot set --peers off', 0, /^peers +bootds alone serve images$/m],
    ['boot set --peers maybe', 2, /peers/]
  ])
})

test('machines are expected and forgotten', t =>
  types(t, [
    ['boot expect h7', 1, /nothing tells it from other machines/],
    ['boot expect h7 --mac 52:54:00:AA:00:01', 0, /^h7 +- +- +52:54:00:aa:00:01 +-$/m],
    ['boot expect h8 --mac 52:54:00:aa:00:01', 4, /that machine is expected as h7/],
    [`boot expect h8 --serial CZ1 --image ${first}`, 0, /^h8 +- +CZ1 +- +1{16}$/m],
    ['boot forget h7', 0, /^h8 /m],
    ['boot forget h7', 3, /no machine is expected as "h7"/]
  ]))

test('versions of the image are shown, promoted and rolled back by how they begin', t =>
  types(t, [
    ['host-image list', 0, /^1{16} +none +minimal +6\.1\.0 +0\.1\.0 +1 MiB +0 +c1 +-$/m],
    ['host-image list -o json', 0, /"kind": ?"list"/],
    ['host-image show 1', 0, /^at +c1$/m],
    ['host-image show 1', 0, /^vmlinuz +1 MiB +a{64}$/m],
    ['host-image show 3', 3, /no one version begins "3"/],
    ['host-image rollback', 4, /there is no version before the current one/],
    ['host-image promote 1', 0, /^image +1{16}$/m],
    ['host-image promote 1', 0, /^unchanged$/m],
    ['host-image promote 2 --percent 5', 0, /^canary +2{16}, 5 of 100 hosts$/m],
    ['host-image list', 0, /^2{16} +canary 5 % /m],
    ['host-image promote 2', 0, /^previous +1{16}$/m],
    ['host-image show 2', 0, /^next boot +h1$/m],
    ['host-image rollback', 0, /^image +1{16}$/m],
    ['host-image rollback', 4, /promote another one to have a version to fall back to/],
    ['boot show', 0, /^previous +none: promote another one to have a version to fall back to$/m]
  ]))

test('a version that begins like another is not guessed', t =>
  types(
    t,
    [['host-image promote 1', 1, /no one version begins "1".*there are 1{16}, 1{15}2/s]],
    world => {
      const images = [first, `${'1'.repeat(15)}2`]
      hearBoots(world, {
        images: images.map(version => ({
          manifest: {
            ...{ format: 1, version, architecture: 'x86_64', profile: 'minimal' },
            ...{ kernel: '6.1.0', remuda: '0.1.0' },
            files: {
              vmlinuz: { bytes: 1, sha256: 'a'.repeat(64) },
              initrd: { bytes: 1, sha256: 'a'.repeat(64) },
              'root.squashfs': { bytes: 1, sha256: 'a'.repeat(64) }
            }
          }
        }))
      })
    }
  ))

test('a bootd that serves no boots, or not alone, says so', t =>
  types(
    t,
    [
      ['boot show', 0, /^c1 +off +- +serves no boots: set bootMode in its bootd\.json; another/m],
      ['boot show', 0, /another DHCP server: 10\.0\.0\.99/]
    ],
    world =>
      hearBoots(world, {
        ...{ mode: 'off', url: undefined },
        foreign: [{ address: '10.0.0.99', since: '2026-01-01T00:00:00.000Z' }]
      } as never)
  ))

const boots = [
  bootOf('image', { uuid: 'h1', percent: 12, address: '10.0.0.7', firmware: 'uefi' }),
  bootOf('failed', {
    ...{ boot: 'b-2', uuid: 'u-2', serial: 'CZ2', failures: 2, version: second },
    because: 'root.squashfs is cut short'
  })
]

test('boots are shown as a table, or one by its name, UUID, serial number or MAC', t =>
  types(
    t,
    [
      ['host boot-log', 0, /^h1 +10\.0\.0\.7 +uefi +1{16} +image 12 % +4\.5 s +-$/m],
      ['host boot-log', 0, /^CZ2 +- +- +2{16} +failed +4\.5 s +root\.squashfs is cut short$/m],
      ['host boot-log h1', 0, /^h1: image 12 %\n {2}image 1{16}, by the bootd of c1\n/],
      ['host boot-log CZ2', 0, /^CZ2: failed: root\.squashfs .*\n.*\n {2}2 boots in a row have/],
      ['host boot-log u-2', 0, /^ {2}2026-01-01T00:00:05\.500Z +4\.5 s {2}failed$/m],
      ['host boot-log h9', 3, /no boot of "h9" was seen.*2 machines have booted here/s],
      ['host boot-log -o json', 0, /"stage": ?"image"/]
    ],
    world => hearBoots(world, { boots })
  ))

test('a boot that is watched is shown again whenever it has come further', async t => {
  t.timeout(120_000)
  await using world = await bootWorld()
  const server = `unix:${world.socket('admin')}`
  const enough = new AbortController()
  const seen: string[] = []
  const stages = ['kernel', 'image', 'joined'] as const
  hearBoots(world, { boots: [bootOf('script', { uuid: 'h1' })] })
  const { code } = await typeLine('host boot-log h1 -w', {
    server,
    interrupted: enough.signal,
    watch: output => {
      const last = output
        .match(/^h1: (\w+)/gm)
        ?.at(-1)
        ?.slice(4)
      if (last === undefined || seen.at(-1) === last) return
      seen.push(last)
      const next = stages[seen.length - 1]
      if (next === undefined) enough.abort()
      else hearBoots(world, { boots: [bootOf(next, { uuid: 'h1' })] })
    }
  })
  t.deepEqual(seen, ['script', ...stages])
  t.is(code, 0)
})

test('what a host gets once is said, and the host is the one that is meant', t =>
  types(t, [
    ['host boot-once h1 rescue', 0, /^host\/h1 boots next: rescue, once$/m],
    ['host boot-once h1 host', 0, /^host\/h1 boots next: the host image, as always$/m],
    ['host boot-once h1 floppy', 2, /floppy/],
    ['host boot-once h9 rescue', 3, /h9/]
  ]))

test('events say how machines boot as they do, and each stage once', async t => {
  t.timeout(120_000)
  await using world = await bootWorld()
  const server = `unix:${world.socket('admin')}`
  const { reign, feed } = world.running.service
  const boots = new BootFeed({ view: reign.view, feed })
  const tell = (stage: 'kernel' | 'image' | 'failed', changes: object = {}): void =>
    boots.hear('c1', { boots: [bootOf(stage, { uuid: 'h1', ...changes })] })
  boots.hear('c1', { boots: [] })
  const enough = new AbortController()
  let isTold = false
  const typed = typeLine('events -w --kind boot', {
    server,
    interrupted: enough.signal,
    watch: text => {
      if (!isTold && text.includes('kernel')) {
        isTold = true
        tell('image', { percent: 1 })
        tell('image', { percent: 2 })
        tell('failed', { because: 'it is cut short' })
      }
      if (text.includes('failed')) enough.abort()
    }
  })
  while (feed.listeners === 0) await sleep(10)
  tell('kernel')
  const { output } = await typed
  const lines = output.split('\n').map(line => line.replace(/^\S+ /, ''))
  const of = 'of image 1111111111111111'
  t.deepEqual(lines, [
    `boot of h1 is in stage kernel ${of}`,
    `boot of h1 is in stage image ${of}`,
    `boot of h1 is in stage failed ${of}: it is cut short`,
    ''
  ])
})
