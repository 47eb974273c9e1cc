import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import test from 'ava'
import { findInit, signalInit } from '../../../agent/io/libvirt/container-init.ts'

const holder = (name: string): string =>
  ['/usr/lib/libvirt/libvirt_lxc', '--name', name, '--console', '24', ''].join('\0')

/** What the kernel shows of processes: a holder of a container, its init and another child. */
const shown = {
  '70/cmdline': holder('default.box'),
  '70/task/70/children': '71 72 73 ',
  '71/status': 'Name:\tgone\n',
  '72/status': 'Name:\tlogger\nNSpid:\t72\n',
  '73/status': 'Name:\tinit\nPid:\t73\nNSpid:\t73\t1\n'
} as const

const cases: readonly {
  readonly title: string
  readonly given?: Readonly<Record<string, string>>
  readonly id?: number
  readonly found: number | undefined
}[] = [
  { title: 'the child that is the first process of its namespace', found: 73 },
  {
    title: 'nothing below a container of another name',
    given: { '70/cmdline': holder('a.box') },
    found: undefined
  },
  {
    title: 'nothing below a process that has got the id since',
    given: { '70/cmdline': 'sh\0--name\0default.box\0' },
    found: undefined
  },
  { title: 'nothing where there is no such process', id: 99, found: undefined },
  { title: 'nothing for a domain that does not run', id: -1, found: undefined },
  {
    title: 'nothing before the init is there',
    given: { '70/task/70/children': '72 ' },
    found: undefined
  },
  {
    title: 'nothing that is the first process of nothing but the machine',
    given: { '73/status': 'NSpid:\t1\n' },
    found: undefined
  }
]

for (const { title, given, id = 70, found } of cases) {
  test(`as the init of a container is found ${title}`, async t => {
    const proc = await mkdtemp(join(tmpdir(), 'remuda-proc-'))
    try {
      for (const [path, text] of Object.entries({ ...shown, ...given })) {
        await mkdir(dirname(join(proc, path)), { recursive: true })
        await writeFile(join(proc, path), text)
      }
      t.is(findInit({ id, name: 'default.box', proc }), found)
    } finally {
      await rm(proc, { recursive: true })
    }
  })
}

test('a process that is no container is not signalled', t => {
  t.false(signalInit({ id: process.pid, name: 'default.box' }))
})
