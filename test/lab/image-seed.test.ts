/** What the image's init makes of a seed: seed.awk, run by the awk that will run it. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { run } from '#shared/process.ts'

const program = new URL('../../tools/image/inside/seed.awk', import.meta.url).pathname

type Case = {
  readonly title: string
  readonly metadata?: string
  readonly userData?: string
  readonly filed: Readonly<Record<string, string>>
}

const cases: readonly Case[] = [
  {
    title: 'values may be plain, quoted, or followed by a comment',
    metadata: [
      'instance-id: i-1 # the first',
      'local-hostname: "web-1"',
      "remuda-host: 'it''s h2'",
      'unknown: x'
    ].join('\n'),
    filed: {
      'instance-id': 'i-1\n',
      'local-hostname': 'web-1\n',
      'remuda-host': "it's h2\n"
    }
  },
  {
    title: 'keys are found in a list, a map, and a map of maps',
    metadata: [
      'public-keys:',
      '  - "ssh-ed25519 AAAA one"',
      '  two: ssh-rsa BBBB two',
      '  0:',
      '    openssh-key: ecdsa-sha2-nistp256 CCCC three'
    ].join('\n'),
    userData: '#cloud-config\nssh_authorized_keys: ["ssh-ed25519 DDDD", ssh-rsa EEEE five]\n',
    filed: {
      keys: [
        'ssh-ed25519 AAAA one',
        'ssh-rsa BBBB two',
        'ecdsa-sha2-nistp256 CCCC three',
        'ssh-ed25519 DDDD',
        'ssh-rsa EEEE five\n'
      ].join('\n')
    }
  },
  {
    title: 'no keys and an empty configuration file nothing',
    metadata: 'instance-id: "i"\npublic-keys: []\n',
    userData: '#cloud-config\n{}\n',
    filed: { 'instance-id': 'i\n' }
  },
  {
    title: 'commands may be texts, lists and blocks, at any indentation',
    userData: [
      '#cloud-config',
      'runcmd:',
      '- echo plain # comment',
      '- \'echo "quoted"\'',
      "- [sh, -c, \"echo it's $HOME, isn't it\", '']",
      '- |',
      '  for each in 1 2; do',
      '',
      '    echo $each',
      '  done',
      '- echo after',
      'hostname: web'
    ].join('\r\n'),
    filed: {
      hostname: 'web\n',
      runcmd: [
        'echo plain',
        'echo "quoted"',
        "'sh' '-c' 'echo it'\\''s $HOME, isn'\\''t it' '' ",
        'for each in 1 2; do',
        '',
        '  echo $each',
        'done',
        'echo after\n'
      ].join('\n')
    }
  },
  {
    title: 'files have a path, a mode, an encoding and a content',
    userData: [
      '#cloud-config',
      'write_files:',
      '  - path: /etc/one',
      "    permissions: '0640'",
      '    owner: root:root',
      '    content: |',
      '      first',
      '        indented',
      '',
      '      last',
      '  - content: aGVsbG8K',
      '    encoding: b64',
      '    append: true',
      '    path: "/etc/two"'
    ].join('\n'),
    filed: {
      'file.1.path': '/etc/one\n',
      'file.1.permissions': '0640\n',
      'file.1.content': 'first\n  indented\n\nlast\n',
      'file.2.content': 'aGVsbG8K',
      'file.2.encoding': 'b64\n',
      'file.2.append': 'true\n',
      'file.2.path': '/etc/two\n'
    }
  }
]

for (const { title, metadata = '', userData, filed } of cases) {
  test(title, async t => {
    const folder = await mkdtemp(join(tmpdir(), 'remuda-seed-'))
    t.teardown(() => rm(folder, { recursive: true, force: true }))
    const out = join(folder, 'out')
    await mkdir(out)
    await writeFile(join(folder, 'meta-data'), metadata)
    await writeFile(join(folder, 'user-data'), userData ?? '')
    const files = [join(folder, 'meta-data'), ...(userData ? [join(folder, 'user-data')] : [])]
    await run('busybox', ['awk', '-v', `out=${out}`, '-f', program, ...files], {
      deadlineMs: 120_000
    })
    const found: Record<string, string> = {}
    for (const name of await readdir(out)) found[name] = await readFile(join(out, name), 'utf8')
    t.deepEqual(found, filed)
  })
}
