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
    decided: { phase: 'running', percent: 0, message: `fetches ${image.spec.source}` }
  }
  try {
    await record(service, job, oldJobs(service))
    const content = await fetchContent(service, { image, job }, signal)
    const intent = { verb: 'fill-image' as const, id: image.id, content }
    await reign.submit(intent, 'controller')
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
    await reign.submit(intent, 'controller').catch(other => {
      log.warn('cannot record a failed import', { because: sentence(other) })
    })
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
) {
  const { image, job } = wanted
  const source = image.spec.source as string
  const begun = new AbortController()
  const timer = setTimeout(() => begun.abort(), answerMsMax)
  const answer = await fetch(source, { signal: AbortSignal.any([signal, begun.signal]) })
    .catch(cause => {
      throw new Fault('unavailable', `cannot fetch ${source}`, { cause })
    })
    .finally(() => clearTimeout(timer))
  if (!answer.ok || !answer.body) {
    throw new Fault('unavailable', `cannot fetch ${source}: the answer is ${answer.status}`)
  }
  const total = Number(answer.headers.get('content-length') ?? 0)
  const stream = Readable.fromWeb(answer.body as ReadableStream<Uint8Array>)
  let [bytes, told] = [0, 0]
  stream.on('data', (chunk: Uint8Array) => {
    bytes += chunk.length
    const percent = total > 0 ? Math.floor((bytes / total) * 100) : 0
    if (percent < told + percentStep) return
    told = percent
    const message = `${bytes} of ${total} bytes fetched`
    const decided = { phase: 'running' as const, percent: Math.min(99, percent), message }
    record(service, { ...job, decided }).catch(thrown => {
      service.log.warn('cannot record how far a job is', { because: sentence(thrown) })
    })
  })
  stream.pause()
  return await service.images.store(stream, { image, signal })
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
