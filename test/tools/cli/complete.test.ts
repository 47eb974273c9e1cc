import { execFileSync } from 'node:child_process'
import test from 'ava'
import { candidatesFor } from '../../../tools/cli/completion/complete.ts'
import { FakeApi } from '../../world/fake-api.ts'
import { typeLine } from './type-line.ts'

const names = async (kind: string): Promise<readonly string[]> => [`${kind}-a`, `${kind}-b`]
const wordsFor = async (line: string): Promise<readonly string[]> =>
  (await candidatesFor(line.split(' '), names)).map(({ word }) => word)

const cases: readonly (readonly [line: string, includes: readonly string[], not?: string])[] = [
  ['', ['instance', 'status', 'apply', 'agent'], '--help'],
  ['inst', ['instance']],
  ['instance ', ['create', 'list', 'console']],
  ['vm ', ['create', 'list']],
  ['vm create web --', ['--image', '--memory', '--tenant', '--no-ha']],
  ['vm create web --image ', ['image-a', 'image-b'], 'instance'],
  ['vm create web --type ', ['vm', 'container']],
  ['vm create web --memory ', []],
  ['vm create --ssh-key ', [':files']],
  ['vm show ', ['instance-a', 'instance-b']],
  ['vm delete instance-a ', ['instance-b'], 'instance-a'],
  ['vm show instance-a ', [], 'instance-a'],
  ['--tenant ', ['tenant-a']],
  ['--tenant acme vm show ', ['instance-a']],
  ['vm list -o ', ['json', 'yaml']],
  ['host approve ', ['host-a']],
  ['why ', ['instance/', 'host/']],
  ['why vm/', ['vm/instance-a']],
  ['get nonsense/', []],
  ['wait volume/', ['volume/volume-a']],
  ['explain ', ['instance', 'host'], 'instance/'],
  ['explain vm.', ['vm.memoryMib', 'vm.ports[].network']],
  ['explain nonsense.', []],
  ['completion ', ['bash', 'zsh', 'fish']],
  ['apply -f ', [':files']],
  ['nonsense ', []]
]
for (const [line, includes, not] of cases) {
  const what = includes.length === 0 ? 'nothing' : includes.join(', ')
  test(`after "${line}" comes ${what}`, async t => {
    const words = await wordsFor(line)
    for (const word of includes) t.true(words.includes(word), `${word} is not in ${words}`)
    if (includes.length === 0) t.deepEqual(words, [])
    if (not !== undefined) t.false(words.includes(not))
  })
}

test('names come from the API, of the tenant on the line, and only those that fit', async t => {
  await using api = await FakeApi.start()
  for (const name of ['web', 'worker', 'db']) api.resources.put({ kind: 'instance', name })
  const { code, output } = await typeLine([
    '__complete',
    '--',
    '--server',
    api.url,
    'vm',
    'show',
    'w'
  ])
  t.deepEqual([code, output], [0, 'web\tinstance\nworker\tinstance\n'])
  const line = ['__complete', '--', '--tenant', 'acme', '--server', api.url, 'vm', 'show', '']
  t.is((await typeLine(line)).output, '')
  t.is(api.asked.at(-1)?.query.get('tenant'), 'acme')
})

test('without a controller there are no names, and no complaint', async t => {
  const environment = { REMUDA_SERVER: 'http://127.0.0.1:1' }
  const { code, output, errors } = await typeLine(['__complete', '--', 'vm', 'show', ''], {
    environment
  })
  t.deepEqual([code, output, errors], [0, '', ''])
})

for (const shell of ['bash', 'zsh', 'fish']) {
  test(`the script for ${shell} asks remuda itself`, async t => {
    const { code, output } = await typeLine(`completion ${shell}`)
    t.is(code, 0)
    t.regex(output, /remuda __complete -- /)
  })
}

test('bash takes its script and completes with it', async t => {
  const { output } = await typeLine('completion bash')
  const script = `${output}
remuda() { printf 'instance\\tVMs\\nimage\\tcopies\\n' | grep "^\${*: -1}"; }
COMP_WORDS=(remuda i); COMP_CWORD=1; _remuda; printf '%s ' "\${COMPREPLY[@]}"
COMP_WORDS=(remuda ins); _remuda; printf '%s' "\${COMPREPLY[@]}"`
  const said = execFileSync('bash', ['-c', script], { encoding: 'utf8' })
  t.is(said, 'instance image instance')
})
