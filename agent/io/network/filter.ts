/**
 * Puts the packet filter in place, and only when it is not there already.
 *
 * A ruleset as written and as listed by the kernel differ, so the two cannot be compared. Instead
 * we remember by their hashes what we wrote and what the kernel listed right after. As long as the
 * text is the same and the listing too, nobody has touched the rules, and neither do we.
 */
import { createHash } from 'node:crypto'
import fs from 'node:fs/promises'
import { Fault, isFault, sentence } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import { tableName } from '../../core/nft-ruleset.ts'
import type { Place } from './place.ts'

/** Brings the ruleset about. Fault `network` when nft refuses; then nothing has changed. */
export async function applyFilter(
  place: Place,
  options: { readonly ruleset: string; readonly recordFile: string; readonly log: Log }
): Promise<void> {
  const { ruleset, recordFile, log } = options
  const text = hash(ruleset)
  const recorded = await fs.readFile(recordFile, 'utf8').catch(() => '')
  const listing = await listOurs(place)
  if (recorded === recordOf(text, listing)) return
  try {
    await place.run('nft', ['-f', '-'], ruleset)
  } catch (cause) {
    throw new Fault('network', 'cannot load the packet filter', { cause })
  }
  await fs.writeFile(recordFile, recordOf(text, await listOurs(place)), { mode: 0o600 })
  log.info('packet filter loaded', { because: recorded.startsWith(text) ? 'it differed' : 'new' })
  await warnOfDrops(place, log)
}

/** Removes our tables. */
export async function removeFilter(place: Place): Promise<void> {
  const lines = ['inet', 'bridge'].flatMap(family => [
    `table ${family} ${tableName}`,
    `delete table ${family} ${tableName}`
  ])
  await place.run('nft', ['-f', '-'], `${lines.join('\n')}\n`)
}

const recordOf = (text: string, listing: string): string => `${text} ${listing}\n`

/** A hash of our two tables as the kernel has them, without what changes by itself. */
async function listOurs(place: Place): Promise<string> {
  const listings = await Promise.all(
    ['inet', 'bridge'].map(async family => {
      try {
        return (await place.run('nft', ['-json', 'list', 'table', family, tableName])).stdout
      } catch (thrown) {
        if (isFault(thrown, 'command')) return '{"nftables":[]}'
        throw thrown
      }
    })
  )
  return hash(JSON.stringify(listings.map(listing => JSON.parse(listing, stable))))
}

/** Leaves out handles and the program's version, and sorts the elements of sets. */
function stable(key: string, value: unknown): unknown {
  if (key === 'handle' || key === 'metainfo') return undefined
  if (key !== 'elem' || !Array.isArray(value)) return value
  return value.map(element => JSON.stringify(element)).sort()
}

const hash = (text: string): string => createHash('sha256').update(text).digest('hex')

type ShownChain = {
  readonly table: string
  readonly name: string
  readonly family: string
  readonly hook?: string
  readonly policy?: string
}

/**
 * Says which rules of others will drop what ours let pass: in netfilter a packet needs the consent
 * of every table, so that the policy `drop` of Docker's or firewalld's chains ends our forwarding.
 */
async function warnOfDrops(place: Place, log: Log): Promise<void> {
  try {
    const { stdout } = await place.run('nft', ['-json', 'list', 'chains'])
    const { nftables } = JSON.parse(stdout) as { nftables: readonly { chain?: ShownChain }[] }
    for (const { chain } of nftables) {
      if (chain?.policy !== 'drop' || chain.table === tableName) continue
      if (chain.hook !== 'forward' && chain.hook !== 'input') continue
      log.warn('another packet filter drops what it does not know', {
        chain: `${chain.family} ${chain.table} ${chain.name}`,
        hook: chain.hook,
        next:
          'let bridges pass: with Docker `iptables -I DOCKER-USER -i rb+ -j ACCEPT` and ' +
          '`iptables -I DOCKER-USER -o rb+ -j ACCEPT`; with firewalld put them into zone trusted'
      })
    }
  } catch (thrown) {
    log.warn('cannot look for other packet filters', { because: sentence(thrown) })
  }
}
