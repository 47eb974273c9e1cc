import test from 'ava'
import { domainIn, doublesIn } from '../../../tools/lab/runs.ts'

const lines: readonly (readonly [readonly string[], string | undefined])[] = [
  [['/usr/bin/qemu-system-x86_64', '-name', 'guest=default.web,debug-threads=on'], 'default.web'],
  [['qemu-system-x86_64', '-M', 'none', '-nodefaults'], undefined],
  [['/usr/lib/libvirt/libvirt_lxc', '--name', 'default.box', '--console', '23'], 'default.box'],
  [['grep', '-name', 'guest=default.web'], undefined],
  [[], undefined]
]

for (const [words, domain] of lines) {
  test(`the process ${words.join(' ')} runs ${domain ?? 'no domain'}`, t => {
    t.is(domainIn(words), domain)
  })
}

test('what runs on two hosts is told with both', t => {
  const runs = new Map([
    ['h1', ['default.web', 'default.box']],
    ['h2', ['default.web']],
    ['h3', []]
  ])
  t.deepEqual(doublesIn(runs), ['default.web on h1 and h2'])
})
