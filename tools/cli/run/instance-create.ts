import { UsageFault } from '../failure.ts'
import type { Invocation } from '../invocation.ts'
import { readText } from './files.ts'
import { createAndWait, given } from './outcome.ts'
import { placingOf } from './placing.ts'
import { specOf } from './spec.ts'

/** Creates an instance from the options of `instance create`. */
export async function createInstance(invocation: Invocation): Promise<void> {
  const { text, texts } = invocation.given
  const sshKeys = (
    await Promise.all(texts('ssh-key').map(key => readSshKeys(invocation, key)))
  ).flat()
  const userDataFile = text('user-data')
  const spec = given({
    ...specOf(invocation, 'instance'),
    ...placingOf(invocation),
    ports: portsOf(texts('network'), texts('address')),
    userData: userDataFile === undefined ? undefined : await readText(invocation, userDataFile),
    sshKeys: sshKeys.length === 0 ? undefined : sshKeys
  })
  await createAndWait(invocation, 'instance', spec)
}

type PortWish = { readonly network: string; readonly address?: string }

/** Pairs networks with addresses; undefined: whatever the API gives by itself. */
function portsOf(
  networks: readonly string[],
  addresses: readonly string[]
): readonly PortWish[] | undefined {
  if (networks.includes('none')) {
    if (networks.length === 1 && addresses.length === 0) return []
    throw new UsageFault('cannot plug into "none" and into something', {
      next: ['give --network none alone']
    })
  }
  const into = networks.length === 0 && addresses.length === 1 ? ['default'] : networks
  if (addresses.length > into.length) {
    throw new UsageFault(`cannot give ${addresses.length} addresses to ${into.length} networks`, {
      next: ['name a --network for each --address']
    })
  }
  if (into.length === 0) return undefined
  return into.map((network, index) => {
    const address = addresses[index]
    return address === undefined ? { network } : { network, address }
  })
}

const looksLikeKey = /^(ssh-|ecdsa-|sk-)[\w@.-]+ [A-Za-z0-9+/=]+/

/** Reads public keys: the text itself, or the file of that name with one key per line. */
async function readSshKeys(invocation: Invocation, key: string): Promise<readonly string[]> {
  if (looksLikeKey.test(key)) return [key.trim()]
  const content = await readText(invocation, key)
  if (content.includes('PRIVATE KEY')) {
    throw new UsageFault(`cannot use ${key}: it is a private key, which must not leave you`, {
      next: [`give ${key}.pub`]
    })
  }
  const lines = content
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '' && !line.startsWith('#'))
  if (lines.length > 0) return lines
  throw new UsageFault(`cannot use ${key}: there is no key in it`)
}
