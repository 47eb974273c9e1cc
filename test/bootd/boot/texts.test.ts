import test from 'ava'
import { choose } from '../../../bootd/core/boot-choice.ts'
import { type BootWords, bootNetwork } from '../../../bootd/core/boot-settings.ts'
import { dnsmasqConf } from '../../../bootd/core/dnsmasq-conf.ts'
import { firstGrubScript, grubScript } from '../../../bootd/core/grub-script.ts'
import { askingScript, ipxeScript } from '../../../bootd/core/ipxe-script.ts'
import { isGolden } from './golden-file.ts'
import { machine, manifestSha256, plan, version, whole } from './plans.ts'

const words: BootWords = {
  ...{ bootMode: 'full', bootInterface: 'eth1', bootVlan: 0, bootAddress: '' },
  ...{ bootRange: '10.77.0.50-10.77.0.150', bootRouter: '', bootDns: '', bootLeaseS: 3_600 },
  ...{ bootLoader: 'ipxe', bootPort: 7480, bootTransfersMax: 128, bootClientMibPerS: 0 },
  bootLogMibMax: 16,
  bootFreeMibMin: 0
}
const own = { address: '10.77.0.1', prefix: 24 }
const url = 'http://10.77.0.1:7480'
const paths = {
  leaseFile: '/var/lib/remuda/bootd/leases',
  tftpFolder: '/var/lib/remuda/run/boot/tftp',
  readyFile: '/var/lib/remuda/run/boot/dnsmasq.pid'
}

for (const [name, more] of [
  ['dnsmasq-full.conf', {}],
  [
    'dnsmasq-vlan-signed.conf',
    {
      ...{ bootVlan: 40, bootLoader: 'signed', bootRouter: '10.77.0.254' },
      ...{ bootDns: '10.77.0.253,10.77.0.252', bootLeaseS: 600 }
    }
  ],
  ['dnsmasq-proxy.conf', { bootMode: 'proxy', bootRange: '' }]
] as const) {
  test(`what dnsmasq is told is that of ${name}`, t => {
    const network = bootNetwork({ ...words, ...(more as Partial<BootWords>) }, own)
    if (typeof network === 'string') return t.fail(network)
    isGolden(t, name, dnsmasqConf(network, paths, url))
  })
}

for (const [because, more] of [
  [
    '10.77.1.1-10.77.1.9 is not in the network of 10.77.0.1/24',
    { bootRange: '10.77.1.1-10.77.1.9' }
  ],
  [
    "10.77.0.1-10.77.0.9 holds 10.77.0.1, which is bootd's own",
    { bootRange: '10.77.0.1-10.77.0.9' }
  ],
  ['10.77.0.9-10.77.0.2 is no range of addresses', { bootRange: '10.77.0.9-10.77.0.2' }],
  ['mode full needs bootRange, such as 10.0.0.50-10.0.0.250', { bootRange: '' }],
  ['10.0.0.300 is no address', { bootRouter: '10.0.0.300' }],
  [
    'interface a-very-long-n.4000 has a name of more than 15 characters',
    { bootInterface: 'a-very-long-n', bootVlan: 4_000 }
  ]
] as const) {
  test(`boots are not served where ${because}`, t => {
    t.is(bootNetwork({ ...words, ...(more as Partial<BootWords>) }, own), because)
  })
}

const asking = {
  url,
  token: 'T'.repeat(43),
  mac: '52:54:00:77:00:01',
  architecture: 'x86_64',
  waitS: 7
}
const given = { plan, past: undefined, versions: whole }

for (const [name, choice] of [
  ['host', choose({ ...given, machine })],
  ['rescue', choose({ ...given, machine: { ...machine, profile: 'rescue' } })],
  ['disk', choose({ ...given, machine: { ...machine, profile: 'disk' } })],
  ['nothing', choose({ ...given, machine: { ...machine, profile: 'nothing' } })],
  ['unknown', choose({ ...given, machine: undefined })]
] as const) {
  test(`a machine with ${name} gets the golden scripts`, t => {
    isGolden(t, `${name}.ipxe`, ipxeScript({ ...asking, choice }))
    const grub = grubScript({ url, choice, architecture: 'x86_64' })
    isGolden(t, `${name}.grub.cfg`, grub)
    // Anybody may read it.
    t.false(grub.includes(asking.token))
  })
}

test('a machine that has not said who it is gets the golden script that asks', t => {
  isGolden(t, 'asking.ipxe', askingScript(url, 5))
  isGolden(t, 'asking.grub.cfg', firstGrubScript(url, 5))
})

test('options of a kernel and reasons cannot become commands of a boot loader', t => {
  const filled = ['$', '{z}'].join('')
  const evil = `quiet console=ttyS1,9600 a;reboot $(x) \`y\` ${filled} 'q' "d" b|c\nreboot`
  const choice = choose({ ...given, machine: { ...machine, kernelOptions: evil } })
  for (const script of [ipxeScript({ ...asking, choice }), grubScript({ url, choice })]) {
    t.true(script.includes(' quiet console=ttyS1,9600 reboot'), script)
    for (const word of ['a;reboot', '$(', '`', filled, "'q'", '"d"', 'b|c', '\nreboot']) {
      t.false(script.includes(word), `${word} in ${script}`)
    }
  }
  const waits = {
    ...choice,
    gives: 'nothing',
    profile: 'nothing',
    because: `x' && ${evil}`
  } as const
  t.is(
    ipxeScript({ ...asking, choice: waits })
      .split('\n')
      .filter(one => /reboot/.test(one)).length,
    1
  )
  t.false(/[$`"|]/.test(grubScript({ url, choice: waits })))
  t.is(manifestSha256.length + version.length, 80)
})
