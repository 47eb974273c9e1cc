/**
 * Fetches the content of images that name a source. Each attempt is a job, so that people see how
 * far it is; one that fails is tried again, ever more seldom, until the image is deleted.
 */
import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import { Fault, sentence } from '#shared/fault.ts'
import { newId } from '#shared/ids.ts'
import type { Image } from '#shared/model/image.ts'
import type { Job } from '#shared/model/job.ts'
import { born } from '../core/admission/context.ts'
import type { ImageContent } from '../core/admission/image.ts'
import type { Change } from '../core/commit.ts'
import { subjectOf } from '../core/subject.ts'
import type { Service } from './api/service.ts'

/** Time for a source to begin its answer, and waits between attempts. Unit: ms. */
const answerMsMax = 30_000
const retryMs = { first: 5_000, most: 600_000 } as const
const lookMs = 1_000
/** A job is recorded anew when it is so much further. Unit: percent. */
const percentStep = 10
/** Jobs that are kept; the oldest that ended goes first. */
const jobsMax = 200

type Retry = { readonly at: number; readonly delayMs: number }

/** Imports until the signal aborts, one image at a time. */
export async function importImages(service: Service, signal: AbortSignal): Promise<void> {
  const retries = new Map<string, Retry>()
  await endOrphans(service)
  while (!signal.aborted) {
    const now = service.clock.monotonic()
    for (const id of retries.keys()) {
      if (!service.reign.view.get('image', id)) retries.delete(id)
    }
    const image = waiting(service).find(({ id }) => (retries.get(id)?.at ?? 0) <= now)
    if (!image || service.ledger.broken) {
      await service.clock.sleep(lookMs, signal).catch(() => undefined)
      continue
    }
    if (await importOne(service, image, signal)) {
      retries.delete(image.id)
    } else {
      const delayMs = Math.min(
        retryMs.most,
        (retries.get(image.id)?.delayMs ?? retryMs.first / 2) * 2
      )
      retries.set(image.id, { at: service.clock.monotonic() + delayMs, delayMs })
    }
  }
}

/** Jobs that an earlier controller did not see the end of. */
async function endOrphans(service: Service): Promise<void> {
  for (const job of [...service.reign.view.all('job').values()]) {
    if (job.decided.phase !== 'running') continue
    const message = 'the controller that did it has ended; it is begun anew'
    await end(service, job, { phase: 'failed', percent: 0, message }).catch(thrown => {
      service.log.warn('cannot record the end of a job', { because: sentence(thrown) })
    })
  }
}

const waiting = (service: Service): readonly Image[] =>
  [...service.reign.view.all('image').values()].filter(
    ({ spec, decided }) => spec.source !== undefined && !decided.content && !decided.deletedAt
  )

async function importOne(service: Service, image: Image, signal: AbortSignal): Promise<boolean> {
  const { reign, log } = service
  const context = { by: 'controller', now: reign.now(), newId }
  const name = `import-${image.id.slice(-12)}-${context.now.wall.toString(36)}`
  const job: Job = {
    ...born(context, 'job', { name }),
    kind: 'job',
    spec: { verb: 'import', subject: subjectOf(image) },
    decided: { phase: 'running', percent: 0, message: `fetches ${shown(image.spec.source)}` }
  }
  try {
    await record(service, job, oldJobs(service))
    const content = await fetchContent(service, { image, job }, signal)
    const message = `${content.sizeBytes} bytes, SHA-256 ${content.sha256}`
    await end(service, job, { phase: 'done', percent: 100, message })
    return true
  } catch (thrown) {
    if (signal.aborted) return false
    const failure = [sentence(thrown), ...(thrown instanceof Fault ? thrown.reasons : [])].join(
      '; '
    )
    log.warn('cannot import an image', { image: image.name, because: failure })
    const intent = { verb: 'fail-image' as const, id: image.id, failure }
    if (reign.view.get('image', image.id)) {
      await reign.submit(intent, 'controller').catch(other => {
        log.warn('cannot record a failed import', { because: sentence(other) })
      })
    }
    await end(service, job, { phase: 'failed', percent: 0, message: failure }).catch(other => {
      log.warn('cannot record the end of a job', { because: sentence(other) })
    })
    return false
  }
}

async function fetchContent(
  service: Service,
  wanted: { readonly image: Image; readonly job: Job },
  signal: AbortSignal
): Promise<ImageContent> {
  const { image } = wanted
  const stream = await openSource(image, signal)
  stream.body.on('data', progressOf(service, wanted, stream))
  stream.body.pause()
  return await service.images.store(stream.body, { image, signal }, async content => {
    const intent = { verb: 'fill-image' as const, id: image.id, content }
    await service.reign.submit(intent, 'controller')
    return content
  })
}

/** The content as it comes, and how much is announced; 0: that is not said. Unit: bytes. */
type Source = { readonly body: Readable; readonly total: number }

async function openSource(image: Image, signal: AbortSignal): Promise<Source> {
  const source = image.spec.source as string
  const url = URL.parse(source)
  if (url === null || url.username !== '' || url.password !== '') {
    throw new Fault('invalid', `cannot fetch ${shown(source)}: its source cannot be used`, {
      reasons: [
        url ? 'there is a name or a password in it, which readers would see' : 'it is no URL'
      ],
      next: ['upload the content instead: remuda image import NAME --file PATH']
    })
  }
  const begun = new AbortController()
  const timer = setTimeout(() => begun.abort(), answerMsMax)
  const answer = await fetch(source, { signal: AbortSignal.any([signal, begun.signal]) })
    .catch(cause => {
      throw new Fault('unavailable', `cannot fetch ${shown(source)}`, { cause })
    })
    .finally(() => clearTimeout(timer))
  if (!answer.ok || !answer.body) {
    await answer.body?.cancel()
    throw new Fault('unavailable', `cannot fetch ${shown(source)}: the answer is ${answer.status}`)
  }
  const total = Number(answer.headers.get('content-length') ?? 0)
  return { body: Readable.fromWeb(answer.body as ReadableStream<Uint8Array>), total }
}

/** Records how far it is now and then, and gives it up when nobody wants it any more. */
function progressOf(
  service: Service,
  { image, job }: { readonly image: Image; readonly job: Job },
  { body, total }: Source
): (chunk: Uint8Array) => void {
  let [bytes, told] = [0, 0]
  return chunk => {
    const now = service.reign.view.get('image', image.id)
    if (now?.spec.source !== image.spec.source) {
      const because = now ? 'it is to come from elsewhere' : 'it was deleted'
      body.destroy(new Fault('aborted', `cannot go on with image ${image.name}: ${because}`))
      return
    }
    bytes += chunk.length
    const percent = total > 0 ? Math.floor((bytes / total) * 100) : 0
    if (percent < told + percentStep) return
    told = percent
    const message = `${bytes} of ${total} bytes fetched`
    const decided = { phase: 'running' as const, percent: Math.min(99, percent), message }
    record(service, { ...job, decided }).catch(thrown => {
      service.log.warn('cannot record how far a job is', { because: sentence(thrown) })
    })
  }
}

/** A source without what may be a secret in it. */
function shown(source: string | undefined): string {
  const url = URL.parse(source ?? '')
  return url ? `${url.origin}${url.pathname}` : 'what its source names'
}

const record = async (service: Service, job: Job, more: readonly Change[] = []): Promise<unknown> =>
  await service.reign.record({ changes: [{ op: 'put', resource: job }, ...more], decisions: [] })

async function end(
  service: Service,
  job: Job,
  ended: Pick<Job['decided'], 'phase' | 'percent' | 'message'>
): Promise<void> {
  const endedAt = new Date(service.clock.wall()).toISOString()
  await record(service, { ...job, decided: { ...ended, endedAt } })
}

/** Ended jobs beyond the bound, oldest first. */
function oldJobs(service: Service): readonly Change[] {
  const jobs = [...service.reign.view.all('job').values()]
    .filter(({ decided }) => decided.endedAt !== undefined)
    .sort((a, b) => (a.createdAt < b.createdAt ? -1 : 1))
  return jobs
    .slice(0, Math.max(0, jobs.length - jobsMax))
    .map(job => ({ op: 'remove', kind: 'job', id: job.id, subject: subjectOf(job) }))
}
