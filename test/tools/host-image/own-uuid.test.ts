/** By which UUID the first stage knows a machine: its own script in its own shell. */
import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import test, { type ExecutionContext } from 'ava'
import { madeUuids, ownSerial, ownUuid, sharedUuids } from '#shared/hardware-names.ts'

const script = join(import.meta.dirname, '../../../tools/host-image/inside/stage1/own-uuid')
const mac = '52:54:00:12:34:56'
const common = sharedUuids[0]!

type Machine = { readonly uuid: string; readonly serial?: string; readonly mac?: string }

/** The UUID that each machine is known by, and whether it was made. */
async function known(
  t: ExecutionContext,
  machines: readonly Machine[]
): Promise<readonly (readonly [string, boolean])[]> {
  const folder = await mkdtemp(join(tmpdir(), 'remuda-own-uuid-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, 'shared'), sharedUuids.map(uuid => `${uuid}\n`).join(''))
  const one = ({ uuid, serial, mac: own = mac }: Machine): string[] => [
    serial === undefined
      ? 'rm -f $firmware/product_serial'
      : `echo '${serial}' >$firmware/product_serial`,
    `uuid='${uuid}' mac='${own}'`,
    'own_uuid; echo "$uuid $uuid_made"'
  ]
  const program = [
    'for each in sha256sum sed rm; do alias $each="busybox $each"; done',
    `. ${script}`,
    `interface=lo firmware=${folder} shared_uuids=${folder}/shared`,
    ...machines.flatMap(one)
  ]
  const shell = spawn('/bin/busybox', ['sh', '-c', program.join('\n')])
  const [said, wrong] = await Promise.all([text(shell.stdout), text(shell.stderr)])
  t.is(wrong, '')
  const words = said.trimEnd().split('\n')
  return words.map(line => [line.split(' ')[0] ?? '', line.endsWith(' yes')] as const)
}

test("a UUID that is the machine's own stays as it is", async t => {
  const uuids = ['4c4c4544-0039-4a10-8052-b4c04f4e4332', '00000000-0000-0000-0000-0cc47a123456']
  const found = await known(
    t,
    uuids.map(uuid => ({ uuid, serial: '9JR4NC2' }))
  )
  t.deepEqual(
    found,
    uuids.map(uuid => [uuid, false] as const)
  )
})

test('in place of one that many boards share, or of none, one is made', async t => {
  const uuids = [
    ...sharedUuids,
    ...['', 'not settable', '4c4c4544-0039-4a10-8052', '4c4c4544-0000-2010-8020-80c04f202020'],
    ...['00000000-0000-0000-0000-000000000000', 'fefefefe-fefe-fefe-fefe-fefefefefefe']
  ]
  t.deepEqual(
    uuids.filter(uuid => ownUuid(uuid) !== undefined),
    [],
    'all others agree'
  )
  const found = await known(
    t,
    uuids.map(uuid => ({ uuid }))
  )
  t.deepEqual(new Set(found.map(([uuid]) => uuid)), new Set([found[0]![0]]))
  t.true(found.every(([, isMade]) => isMade))
  t.regex(found[0]![0], /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/)
  t.is(ownUuid(found[0]![0]), found[0]![0], 'it is not taken for a shared one')
})

test('machines of one UUID have different ones, each the same at every boot', async t => {
  const machines = [
    ...[{ serial: '9JR4NC2' }, { serial: '9JR4NC3' }, { serial: 'Default string' }],
    ...[{ mac: '52:54:00:12:34:57' }, { serial: ' 9JR4NC2 ', mac: '52:54:00:12:34:58' }]
  ].map(names => ({ uuid: common, ...names }))
  const [first, second, third, fourth, again] = await known(t, machines)
  t.is(new Set([first, second, third, fourth].map(one => one?.[0])).size, 4)
  t.deepEqual(again, first, 'a serial number counts before the interface')
  const made = machines.map(({ serial, mac: own = mac }) => madeUuids({ serial, mac: own })[0])
  t.deepEqual(
    made.slice(0, 4),
    [first, second, third, fourth].map(one => one?.[0])
  )
})

test('a serial number that is a placeholder counts for nothing', async t => {
  const serials = [
    ...['Default string', 'To be filled by O.E.M.', 'System Serial Number', 'None', 'N/A', '0'],
    ...['0123456789', '123456789', '1234567890', '0000000', '........', '----', 'xxxxxxx', '']
  ]
  t.deepEqual(
    serials.filter(serial => ownSerial(serial) !== undefined),
    [],
    'all others agree'
  )
  const found = await known(
    t,
    [undefined, ...serials, 'SN 1', 'x;y1'].map(serial => ({
      uuid: common,
      ...(serial !== undefined && { serial })
    }))
  )
  t.is(new Set(found.map(([uuid]) => uuid)).size, 1)
})
