import { patchResource } from '../api/resources.ts'
import { UsageFault } from '../failure.ts'
import type { Invocation } from '../invocation.ts'
import { chosen, imagesOf } from './boot.ts'
import { referenceTo, tellOutcome } from './outcome.ts'
import { specOf } from './spec.ts'

/** Changes the labels and the wish of a host. */
export async function setHost(invocation: Invocation): Promise<void> {
  const { given, signal } = invocation
  const labels = labelsOf(given.texts('label'))
  const spec = {
    ...specOf(invocation, 'host'),
    ...ratioOf(invocation),
    ...ownersOf(invocation),
    ...(await imageOf(invocation))
  }
  if (Object.keys(labels).length + Object.keys(spec).length === 0) {
    throw new UsageFault('cannot set nothing in particular of a host', {
      next: ['give --label, --dedicated, --vcpus-per-thread, --reserved or --image']
    })
  }
  const reference = referenceTo(invocation, 'host', given.positional('NAME')!)
  const started = performance.now()
  const api = await invocation.connect()
  const patch = {
    ...(Object.keys(labels).length > 0 && { labels: labels as Record<string, string> }),
    ...(Object.keys(spec).length > 0 && { spec })
  }
  const written = await patchResource(api, reference, patch, {
    dryRun: given.flag('dry-run'),
    signal
  })
  await tellOutcome(invocation, written, { reference, verb: 'set', started, waitMs: undefined })
}

/** An empty value takes a label away: null does, in a merge patch. */
function labelsOf(texts: readonly string[]): Record<string, string | null> {
  return Object.fromEntries(
    texts.map(text => {
      const [, key, value] = /^([^=]+)=(.*)$/.exec(text) ?? []
      if (key === undefined) {
        throw new UsageFault(`cannot read "${text}" as a label`, {
          next: ['write --label KEY=VALUE, or --label KEY= to take it away']
        })
      }
      return [key, value === '' ? null : value!]
    })
  )
}

function ratioOf({ given }: Invocation): { readonly vcpusPerThread?: number } {
  const text = given.text('vcpus-per-thread')
  if (text === undefined) return {}
  const vcpusPerThread = Number(text)
  if (Number.isFinite(vcpusPerThread) && text.trim() !== '') return { vcpusPerThread }
  throw new UsageFault(`cannot read "${text}" as a ratio`, {
    next: ['write a number, such as --vcpus-per-thread 4']
  })
}

function ownersOf({ given }: Invocation): { readonly dedicated?: readonly string[] | null } {
  const dedicated = given.texts('dedicated')
  if (dedicated.length === 0) return {}
  if (!dedicated.includes('none')) return { dedicated }
  if (dedicated.length === 1) return { dedicated: null }
  throw new UsageFault('cannot dedicate a host to none and to somebody', {
    next: ['give --dedicated none alone']
  })
}

/** A version that some bootd has, whose beginning is enough; null takes the pin away. */
async function imageOf(invocation: Invocation): Promise<{ readonly image?: string | null }> {
  const text = invocation.given.text('image')
  if (text === undefined) return {}
  return { image: text === 'none' ? null : chosen(await imagesOf(invocation), text).version }
}
