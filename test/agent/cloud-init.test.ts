import test from 'ava'
import { parse } from 'yaml'
import { seedFiles } from '../../agent/core/cloud-init.ts'
import { isGolden } from './golden-file.ts'
import { idOf, instance } from './samples.ts'

const written = (given: Parameters<typeof instance>[0] = {}) =>
  seedFiles(instance(given), { hostname: 'h1', mtuOf: () => 1450 })

test('a seed is written as in its golden file', t => {
  const files = written({
    userData: '#!/bin/sh\necho hello\n',
    sshKeys: ['ssh-ed25519 AAAAC3Nza key "one"\n', 'ssh-ed25519 AAAAC3Nzb two'],
    ports: [
      ...instance().ports,
      { id: idOf('p', 2), networkId: idOf('n', 2), mac: '52:54:00:00:00:02', address: '10.67.0.9' }
    ]
  })
  const text = Object.entries(files).map(([name, content]) => `--- ${name}\n${content}`)
  isGolden(t, 'seed.golden.txt', text.join(''))
})

for (const name of ['no', '1e3', '123', 'null', '0x1f', '1-2-3']) {
  test(`an instance called ${name} keeps its name through YAML`, t => {
    t.is(parse(written({ name })['meta-data'])['local-hostname'], name)
  })
}

test('without keys, plugs or user data every file is still whole YAML', t => {
  const files = written({ ports: [] })
  t.deepEqual(parse(files['meta-data'])['public-keys'], [])
  t.deepEqual(parse(files['network-config']), { version: 2, ethernets: {} })
  t.true(files['user-data'].startsWith('#cloud-config\n'))
})

test('one that shall phone home is told where, for cloud-init and in its own words', t => {
  const options = { hostname: 'h1', mtuOf: () => 1450, home: '10.66.0.1' }
  const files = seedFiles(instance(), options)
  const url = 'http://10.66.0.1:7416/'
  t.is(parse(files['meta-data'])['remuda-phone-home'], url)
  t.deepEqual(parse(files['vendor-data']), {
    phone_home: { url, post: ['instance_id'], tries: 30 }
  })
})

test('a key that ends in a line break cannot add lines of its own', t => {
  const keys = ['ssh-ed25519 AAAA a\nremuda-host: "elsewhere"']
  const metadata = parse(written({ sshKeys: keys })['meta-data'])
  t.deepEqual(metadata['public-keys'], keys)
  t.is(metadata['remuda-host'], 'h1')
})
