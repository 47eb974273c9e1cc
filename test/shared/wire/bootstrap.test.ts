import test from 'ava'
import {
  type Bootstrap,
  canonicalBytes,
  isSignedBy,
  makeSigningKeys,
  signBootstrap
} from '#shared/wire/bootstrap.ts'
import { makeKeys } from '#shared/wire/keys.ts'

const keys = makeSigningKeys()
const candidate = {
  name: 'c1',
  apiUrl: 'http://10.0.0.1:7410',
  meshKey: makeKeys().publicKey,
  doorEndpoint: 'tcp://10.0.0.1:7412',
  doorKey: makeKeys().publicKey
}
const list: Bootstrap = {
  cloud: 'c-1',
  version: 7,
  candidates: [candidate],
  ensemble: ['10.0.0.1:2181'],
  services: [{ instance: 'i-1', host: 'uuid-1' }]
}

test('a list that was signed is known to be, with the public key alone', t => {
  const signed = signBootstrap(list, keys)
  t.true(isSignedBy(keys.publicKey, signed))
  t.deepEqual(signBootstrap(list, keys), signed)
  t.false(isSignedBy(makeSigningKeys().publicKey, signed))
})

test('what is signed is the same in whatever order its fields stand', t => {
  const { cloud, version, ...rest } = list
  const { name, ...others } = candidate
  const turned = { ...rest, version, candidates: [{ ...others, name }], cloud }
  t.deepEqual(canonicalBytes(turned), canonicalBytes(list))
})

for (const [what, change] of [
  ['its cloud', { cloud: 'c-2' }],
  ['its version', { version: 8 }],
  ['a key', { candidates: [{ ...candidate, meshKey: makeKeys().publicKey }] }],
  ['a candidate more', { candidates: [candidate, candidate] }],
  ['a candidate less', { candidates: [] }],
  ['the ensemble', { ensemble: ['10.0.0.6:2181'] }],
  ['an instance', { services: [{ instance: 'i-2', host: 'uuid-1' }] }]
] as const) {
  test(`a list of which ${what} was changed is not signed`, t => {
    const { signature } = signBootstrap(list, keys)
    t.false(isSignedBy(keys.publicKey, { bootstrap: { ...list, ...change }, signature }))
  })
}

for (const signature of ['', 'x', 'A'.repeat(86), '!'.repeat(86)]) {
  test(`"${signature.slice(0, 8)}" of ${signature.length} letters is no signature`, t => {
    t.false(isSignedBy(keys.publicKey, { bootstrap: list, signature }))
  })
}

for (const key of ['', 'short', 'A'.repeat(43)]) {
  test(`with "${key.slice(0, 8)}" of ${key.length} letters for a key nothing is signed`, t => {
    t.false(isSignedBy(key, signBootstrap(list, keys)))
  })
}
