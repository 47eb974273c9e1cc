import test from 'ava'
import { SealReader, seal } from '../../../controller/io/peer-seal.ts'

const key = Buffer.alloc(32, 1)
const caller = { name: 'admin', role: 'admin' as const }
const sealed = { method: 'POST', url: '/v1/tenants?x=1', now: 1_000_000 }
const minutes = (count: number): number => count * 60_000

test('a seal says who asked, and for whom', t => {
  const text = seal(key, 'c 1;2', { ...caller, name: 'ops;team' }, sealed)
  const read = new SealReader().read(key, text, sealed)
  t.deepEqual(read, { caller: { name: 'ops;team', role: 'admin' }, by: 'c 1;2' })
})

test('a seal is good once', t => {
  const reader = new SealReader()
  const text = seal(key, 'c1', caller, sealed)
  t.is(typeof reader.read(key, text, sealed), 'object')
  t.is(reader.read(key, text, sealed), 'it was used before')
  const later = { ...sealed, now: sealed.now + minutes(4) }
  t.is(reader.read(key, text, later), 'it was used before')
})

const text = seal(key, 'c1', caller, sealed)
const refusals: readonly (readonly [title: string, given: () => unknown, because: RegExp])[] = [
  [
    'for another path',
    () => new SealReader().read(key, text, { ...sealed, url: '/v1/tokens' }),
    /not of this cloud/
  ],
  [
    'for another method',
    () => new SealReader().read(key, text, { ...sealed, method: 'DELETE' }),
    /not of this cloud/
  ],
  [
    'of another cloud',
    () => new SealReader().read(Buffer.alloc(32, 2), text, sealed),
    /not of this cloud/
  ],
  [
    'with another role',
    () => new SealReader().read(key, text.replace(';admin;admin;', ';admin;reader;'), sealed),
    /not of this cloud/
  ],
  [
    'that is too old',
    () => new SealReader().read(key, text, { ...sealed, now: sealed.now + minutes(6) }),
    /differ by 360 s/
  ],
  [
    'from the future',
    () => new SealReader().read(key, text, { ...sealed, now: sealed.now - minutes(6) }),
    /differ by -360 s/
  ],
  ['that is none', () => new SealReader().read(key, 'nonsense', sealed), /cannot be read/],
  ['that is empty', () => new SealReader().read(key, '', sealed), /cannot be read/],
  [
    'with broken escapes',
    () => new SealReader().read(key, '%;%;%;%;%;%;%', sealed),
    /cannot be read/
  ]
]

for (const [title, given, because] of refusals) {
  test(`a seal ${title} is not believed`, t => {
    t.regex(String(given()), because)
  })
}

test('what is remembered of seals is let go of when they cannot be good any more', t => {
  const reader = new SealReader()
  for (let at = 0; at < 5; at += 1) {
    const now = sealed.now + minutes(at * 11)
    const one = seal(key, 'c1', caller, { ...sealed, now })
    t.is(typeof reader.read(key, one, { ...sealed, now }), 'object')
  }
})
