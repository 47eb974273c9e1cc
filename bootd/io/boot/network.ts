/** The interface at which hosts boot: made where it is a VLAN's, and given its addresses. */
import { Fault, isFault } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import { run } from '#shared/process.ts'
import type { BootNetwork, BootWords, PlacedAddress } from '../../core/boot-settings.ts'
import { bootNetwork, interfaceOf, parsePlaced } from '../../core/boot-settings.ts'
import { advertisedPrefix } from '../../core/dnsmasq-conf.ts'

const deadlineMs = 10_000

/**
 * Readies the interface and says what the network is. Faults: `unavailable`: it is not there, or
 * what is said of it does not fit; `command`.
 */
export async function readyNetwork(words: BootWords, log: Log): Promise<BootNetwork> {
  const { bootInterface, bootVlan, bootAddress } = words
  if (bootInterface === '') throw cannot('bootInterface is not set')
  const name = interfaceOf(words)
  if (bootVlan !== 0 && (await linkOf(name)) === undefined) {
    if (!(await linkOf(bootInterface))) throw cannot(`there is no interface ${bootInterface}`)
    await ip(`link set dev ${bootInterface} up`)
    await ip(`link add link ${bootInterface} name ${name} type vlan id ${bootVlan}`)
    log.info('VLAN of network boot made', { interface: name, vlan: bootVlan })
  }
  const link = await linkOf(name)
  if (link === undefined) throw cannot(`there is no interface ${name}`)
  if (!link.isUp) await ip(`link set dev ${name} up`)
  const own = await ownAddress(name, bootAddress, link)
  const network = bootNetwork(words, own)
  if (typeof network === 'string') throw cannot(network)
  if (network.mode === 'full') await advertise(network, log)
  return network
}

async function ownAddress(name: string, wanted: string, link: Link): Promise<PlacedAddress> {
  if (wanted === '') {
    const [first] = link.addresses
    if (first) return first
    throw cannot(`interface ${name} has no IPv4 address: give it one, or set bootAddress`)
  }
  const own = parsePlaced(wanted)
  if (!own) throw cannot(`bootAddress ${wanted} is no address with a prefix from 8 to 30`)
  if (!link.addresses.some(({ address }) => address === own.address)) {
    await ip(`address add ${own.address}/${own.prefix} dev ${name}`)
  }
  return own
}

/** Router advertisements go out only where dnsmasq finds an address of theirs. */
async function advertise(network: BootNetwork, log: Log): Promise<void> {
  try {
    const address = `${advertisedPrefix(network)}::1/64`
    await ip(`-6 address replace ${address} dev ${network.interface} nodad`)
  } catch (thrown) {
    if (!isFault(thrown)) throw thrown
    const because = thrown.message
    log.info('no router advertisements on the boot network: iPXE waits longer', { because })
  }
}

type Link = {
  readonly index: number | undefined
  readonly isUp: boolean
  readonly addresses: readonly PlacedAddress[]
}

/** Gives what looks whether the interface is as it is now; Fault `unavailable`: it is not. */
export async function watchNetwork({
  interface: name,
  own
}: BootNetwork): Promise<() => Promise<void>> {
  const index = (await linkOf(name))?.index
  return async () => {
    const link = await linkOf(name)
    if (link === undefined) throw cannot(`interface ${name} has gone`)
    if (link.index !== index) throw cannot(`interface ${name} was made anew`)
    if (!link.isUp) throw cannot(`interface ${name} was set down`)
    if (link.addresses.some(({ address }) => address === own.address)) return
    throw cannot(`interface ${name} has lost its address ${own.address}`)
  }
}

type LinkText = {
  readonly ifindex?: number
  readonly flags?: readonly string[]
  readonly addr_info?: readonly { family?: string; local?: string; prefixlen?: number }[]
}

async function linkOf(name: string): Promise<Link | undefined> {
  // Exit code 1: there is none.
  const said = await run('ip', ['-json', 'address', 'show', 'dev', name], {
    ...{ deadlineMs, exitCodes: [0, 1] }
  })
  const [link] = said.stdout.trim() === '' ? [] : (JSON.parse(said.stdout) as LinkText[])
  if (link === undefined) return undefined
  const addresses = (link.addr_info ?? []).flatMap(({ family, local, prefixlen }) =>
    family === 'inet' && local !== undefined && prefixlen !== undefined
      ? [{ address: local, prefix: prefixlen }]
      : []
  )
  return { index: link.ifindex, isUp: link.flags?.includes('UP') ?? false, addresses }
}

const ip = (line: string) => run('ip', line.split(' '), { deadlineMs })

const cannot = (because: string): Fault =>
  new Fault('unavailable', `cannot serve network boot: ${because}`)
