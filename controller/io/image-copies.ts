/**
 * Keeps a copy of each image's content on every candidate, so that it is still there when another
 * one leads: what is missing here is fetched from the controller, or from whoever else has it, and
 * counts only when its SHA-256 is the one that is recorded.
 */
import { Fault, isFault, sentence } from '#shared/fault.ts'
import type { Image } from '#shared/model/image.ts'
import type { Ms } from '#shared/units.ts'
import type { Service } from './api/service.ts'
import type { CandidateCluster } from './candidate-cluster.ts'
import { parsed, textOf } from './candidate-door.ts'
import type { CandidateFront } from './candidate-front.ts'

/** How often it is looked what is missing, and waits after a failure. Unit: ms. */
const lookMs: Ms = 1_000
const retryMs = { first: 2_000, most: 120_000 } as const

type Retry = { readonly at: Ms; readonly delayMs: Ms }

/** Fetches what is missing, one after another, until the signal aborts. */
export async function fetchImages(
  service: Service,
  front: Pick<CandidateFront, 'ask'>,
  cluster: Pick<CandidateCluster, 'others'>,
  signal: AbortSignal
): Promise<void> {
  const { clock, log } = service
  const retries = new Map<string, Retry>()
  while (!signal.aborted) {
    const image = await missing(service, retries)
    if (!image) {
      await clock.sleep(lookMs, signal).catch(() => undefined)
      continue
    }
    try {
      const from = await fetchOne(service, { image, front, cluster }, signal)
      retries.delete(image.id)
      log.info('copied the content of an image', { image: image.name, from })
    } catch (thrown) {
      if (signal.aborted) return
      const before = retries.get(image.id)?.delayMs ?? retryMs.first / 2
      const delayMs = Math.min(retryMs.most, before * 2)
      retries.set(image.id, { at: clock.monotonic() + delayMs, delayMs })
      const because = sentence(thrown)
      log.warn('cannot copy the content of an image', { image: image.name, because })
    }
  }
}

/** The next image whose content is not here. */
async function missing(
  { ledger, images, clock }: Service,
  retries: Map<string, Retry>
): Promise<Image | undefined> {
  const now = clock.monotonic()
  const all = ledger.view.all('image')
  for (const id of retries.keys()) if (!all.has(id)) retries.delete(id)
  for (const image of all.values()) {
    const { content, deletedAt } = image.decided
    if (!content || deletedAt || (retries.get(image.id)?.at ?? 0) > now) continue
    if (!(await images.has(content.sha256))) return image
  }
  return undefined
}

async function fetchOne(
  service: Service,
  wanted: {
    readonly image: Image
    readonly front: Pick<CandidateFront, 'ask'>
    readonly cluster: Pick<CandidateCluster, 'others'>
  },
  signal: AbortSignal
): Promise<string> {
  const { image, front, cluster } = wanted
  const { sha256 } = image.decided.content!
  const reasons: string[] = []
  for (const other of cluster.others()) {
    try {
      const path = `/v1/images/${image.id}/content`
      const answer = await front.ask(other, { method: 'GET', path }, signal)
      if (answer.statusCode !== 200) {
        answer.resume()
        throw new Fault('not-found', `it answered ${answer.statusCode}`)
      }
      // What is recorded is what is expected, whatever was announced once.
      const expected = { image: { ...image, spec: { ...image.spec, sha256 } }, signal }
      await service.images.store(answer, expected, async () => undefined)
      return other.name
    } catch (thrown) {
      if (signal.aborted) throw thrown
      reasons.push(`${other.name}: ${sentence(thrown)}`)
    }
  }
  throw new Fault('unavailable', 'no other candidate has it', {
    cause: new Error(reasons.join('; ') || 'no other candidate is known'),
    reasons
  })
}

/** Another candidate must have said what it has after so long. Unit: ms. */
const sayMsMax = 1_000
/** Longest answer to that question. Unit: bytes. */
const answerBytesMax = 1024 * 1024

/** Asks another candidate of which images it has no content; undefined: it does not say. */
export async function lackedImages(
  front: Pick<CandidateFront, 'ask'>,
  other: { readonly name: string; readonly apiUrl: string }
): Promise<ReadonlySet<string> | undefined> {
  const path = '/v1/cluster?own=1'
  try {
    const signal = AbortSignal.timeout(sayMsMax)
    const answer = await front.ask(other, { method: 'GET', path }, signal)
    const said = parsed(await textOf(answer, answerBytesMax)) as {
      readonly images?: { readonly missing?: readonly string[] }
    }
    const missing = said?.images?.missing
    return Array.isArray(missing) ? new Set(missing) : undefined
  } catch (thrown) {
    if (!isFault(thrown)) throw thrown
    return undefined
  }
}
