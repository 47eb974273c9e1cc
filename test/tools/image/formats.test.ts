import { spawnSync } from 'node:child_process'
import test from 'ava'
import { bootRecord } from '../../../tools/image/boot-record.ts'
import { cpio } from '../../../tools/image/cpio.ts'
import { dependencies } from '../../../tools/image/modules.ts'
import { tar } from '../../../tools/image/tar.ts'
import { complete, directory, type Entry, file, symlink } from '../../../tools/image/tree.ts'

const tree: readonly Entry[] = complete([
  symlink('bin/sh', '/bin/busybox'),
  file('bin/busybox', 'content', 0o755),
  directory('tmp', 0o1777),
  file('a.b', ''),
  file('a/b/c', 'deep')
])

test('a tree is ordered so that a folder stands before what it holds', t => {
  t.deepEqual(
    tree.map(entry => entry.path),
    ['a', 'a/b', 'a/b/c', 'a.b', 'bin', 'bin/busybox', 'bin/sh', 'tmp']
  )
})

test('of two entries with one path the later wins', t => {
  t.deepEqual(complete([file('x', 'old'), file('x', 'new')]), [file('x', 'new')])
})

test('tar reads our archives', t => {
  const { stdout } = spawnSync('tar', ['--list', '--verbose', '--numeric-owner', '--utc'], {
    input: tar(tree),
    encoding: 'utf8'
  })
  t.deepEqual(
    stdout
      .trim()
      .split('\n')
      .map(line => line.replaceAll(/ +/g, ' ')),
    [
      'drwxr-xr-x 0/0 0 1970-01-01 00:00 a/',
      'drwxr-xr-x 0/0 0 1970-01-01 00:00 a/b/',
      '-rw-r--r-- 0/0 4 1970-01-01 00:00 a/b/c',
      '-rw-r--r-- 0/0 0 1970-01-01 00:00 a.b',
      'drwxr-xr-x 0/0 0 1970-01-01 00:00 bin/',
      '-rwxr-xr-x 0/0 7 1970-01-01 00:00 bin/busybox',
      'lrwxrwxrwx 0/0 0 1970-01-01 00:00 bin/sh -> /bin/busybox',
      'drwxrwxrwt 0/0 0 1970-01-01 00:00 tmp/'
    ]
  )
})

test('a cpio archive is headers of hexadecimal fields, names and contents in fours', t => {
  const header = (fields: readonly string[]) =>
    `070701${fields.map(field => field.padStart(8, '0')).join('')}`
  const expected = [
    header(['1', '81ed', '0', '0', '1', '0', '5', '0', '0', '0', '0', '5', '0']),
    'init\0\0', // 110 + 5 bytes, filled to 116
    'hello\0\0\0',
    header(['0', '0', '0', '0', '1', '0', '0', '0', '0', '0', '0', 'b', '0']),
    'TRAILER!!!\0\0\0\0'
  ].join('')
  t.is(cpio([file('init', 'hello', 0o755)]).toString('latin1'), expected)
})

test('a boot record ends with its mark and holds the partitions from byte 446', t => {
  const record = bootRecord({
    code: Buffer.from([0xfa, 0x31]),
    signature: 0x01020304,
    partitions: [{ start: 2048, length: 65536, kind: 0x06, active: true }]
  })
  t.is(record.length, 512)
  t.deepEqual(record.subarray(0, 3), Buffer.from([0xfa, 0x31, 0]))
  t.deepEqual(record.subarray(440, 444), Buffer.from([4, 3, 2, 1]))
  const entry = '80feffff 06feffff 00080000 00000100'.replaceAll(' ', '')
  t.is(record.toString('hex', 446, 462), entry)
  t.is(record.toString('hex', 462, 512), `${'00'.repeat(48)}55aa`)
})

for (const [words, expected] of [
  ['depends=virtio,virtio-ring', ['virtio', 'virtio_ring']],
  ['depends=', []],
  ['nothing', []]
] as const) {
  test(`a module with "${words}" needs ${expected.join(' and ') || 'no other'}`, t => {
    const module = Buffer.from(`ELF\0license=GPL\0${words}\0retpoline=Y\0`)
    t.deepEqual(dependencies(module), expected)
  })
}
