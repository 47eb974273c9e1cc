/** Names of firmware that are no machine's own, and some that look as if they were none. */
import test from 'ava'
import { isPlaceholder, ownSerial, ownUuid, sharedUuids } from '#shared/hardware-names.ts'

for (const [uuid, why] of [
  ['00000000-0000-0000-0000-000000000000', 'all zeros'],
  ['FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF', 'all ones'],
  ['fefefefe-fefe-fefe-fefe-fefefefefefe', 'one byte over and over'],
  ...sharedUuids.map(uuid => [uuid, 'a sample that a maker left in'] as const),
  ['4C4C4544-0000-2010-8020-80C04F202020', 'a service tag of blanks'],
  ['Not Settable', 'words'],
  ['4c4c4544-0039-4a10-8052', 'too short']
] as const) {
  test(`${uuid} is no UUID: ${why}`, t => t.is(ownUuid(uuid), undefined))
}

for (const uuid of [
  '4C4C4544-0039-4A10-8052-B4C04F4E4332\n',
  '00000000-0000-0000-0000-0cc47a123456'
]) {
  test(`${uuid.trim()} is a machine's own`, t => {
    t.is(ownUuid(uuid), uuid.trim().toLowerCase())
  })
}

for (const serial of [
  ...['Default string', 'default', 'To be filled by O.E.M.', 'System Serial Number', 'N/A'],
  ...['Chassis Serial Number', 'Not Available', '0123456789', '123456789', '1234567890', '0000000'],
  ...['xxxxxxx', 'Unknown', '', '  \n', 'no\tserial', '7'.repeat(129)]
]) {
  test(`"${serial.slice(0, 30)}" is no serial number`, t => t.is(ownSerial(serial), undefined))
}

test('a serial number is taken without the white space around it', t => {
  t.is(ownSerial(' 9JR4NC2\n'), '9JR4NC2')
  t.is(ownSerial('Default 3000'), 'Default 3000')
  t.true(isPlaceholder('System manufacturer'))
})
