/** The demonstration: an image that is built here, and an instance of it that answers. */
import { createReadStream } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Fault, isFault } from '#shared/fault.ts'
import type { Condition, ResourceDocument } from '#shared/model/index.ts'
import type { Api } from '../cli/api/client.ts'
import { canRun } from '../cli/api/host-abilities.ts'
import { createResource, pathOf, readResource } from '../cli/api/resources.ts'
import { buildImages } from '../image/main.ts'
import type { Layout } from './layout.ts'
import type { Tell } from './say.ts'

/** Name of the instance that shows that all of it works. */
export const demoInstance = 'hello'
const instanceMsMax = 180_000
const hostMsMax = 60_000

/** Waits until a host is heard, and has said what it can run. */
export async function untilHost(api: Api, tell: Tell): Promise<ResourceDocument> {
  const until = performance.now() + hostMsMax
  for (;;) {
    const answer = await api.ask({ method: 'GET', path: '/v1/hosts', doing: 'list hosts' })
    const { items } = JSON.parse(answer.bytes.toString()) as { items: ResourceDocument[] }
    const online = items.find(canRun)
    if (online) return online
    const seen = items.map(wordsOf).join(', ')
    tell(seen || 'no host has knocked yet')
    if (performance.now() > until) {
      throw new Fault('deadline', `no host can run instances after ${hostMsMax} ms`, {
        reasons: [seen || 'none has knocked'],
        next: ['see agent.log among the logs', 'remuda doctor']
      })
    }
    await sleep(200)
  }
}

function wordsOf(host: ResourceDocument): string {
  const { name, status, conditions } = host
  if (status['phase'] === 'online') return `${name} is online: its libvirt has not answered yet`
  const ready = conditions.find(({ type }) => type === 'ready')
  return `${name} is ${String(status['phase'])}${ready ? `: ${ready.message}` : ''}`
}

/** Builds and imports the images that the cloud has not. */
export async function ensureImages(api: Api, layout: Layout, tell: Tell): Promise<void> {
  const names = Object.values(imageNames)
  const known = await Promise.all(names.map(name => found(api, 'image', name)))
  if (known.every(image => image?.status['phase'] === 'ready')) {
    tell(`${names.join(' and ')}, imported already`)
    return
  }
  await removeUnfinished(layout.images)
  const cache = join(layout.images, 'packages')
  const { images } = await buildImages({ out: layout.images, cache, progress: tell })
  for (const { kind, path, bytes } of images) {
    const name = imageNames[kind]
    const there = await found(api, 'image', name)
    if (there?.status['phase'] === 'ready') continue
    tell(`importing ${name}`)
    if (!there) {
      const format = kind === 'vm' ? 'qcow2' : 'tar'
      const least = kind === 'vm' ? { minMemoryMib: machineMemoryMin } : {}
      const wish = { spec: { type: kind, format, shared: true, ...least } }
      await createResource(api, { kind: 'image', name }, wish)
    }
    await api.ask({
      method: 'PUT',
      path: `${pathOf('image', name)}/content`,
      headers: { 'content-type': 'application/octet-stream' },
      content: { stream: createReadStream(path), bytes },
      deadlineMs: 120_000,
      doing: `import image/${name}`
    })
  }
  tell(names.join(' and '))
}

/** Its kernel unpacks itself into 51 MiB that begin at 16 MiB. Unit: MiB. */
const machineMemoryMin = 72
const imageNames = { vm: 'tiny', container: 'tiny-container' } as const

/** Removes what a build left that was ended half-way; nobody else builds here at the same time. */
export async function removeUnfinished(images: string): Promise<void> {
  for (const name of await readdir(images).catch(() => [])) {
    if (name.startsWith('.build-')) {
      await rm(join(images, name), { recursive: true, force: true })
    }
  }
}

/** Creates the instance where there is none, starts it where it is stopped, and waits for it. */
export async function ensureInstance(api: Api, tell: Tell): Promise<ResourceDocument> {
  const reference = { kind: 'instance' as const, name: demoInstance }
  if (!(await found(api, 'instance', demoInstance))) {
    await createResource(api, reference, { spec: { image: 'tiny', size: 'tiny' } })
  }
  const until = performance.now() + instanceMsMax
  for (;;) {
    const document = await readResource(api, reference)
    const ready = document.conditions.find(({ type }) => type === 'ready')
    if (isRunning(document, ready)) {
      tell(`running on ${String(document.status['host'])}`)
      return document
    }
    if (document.spec['desiredPower'] !== 'running') {
      tell(`it should be ${String(document.spec['desiredPower'])}: left so`)
      return document
    }
    tell(ready?.message ?? 'waits')
    if (performance.now() > until) throw late(ready)
    await sleep(200)
  }
}

const isRunning = (document: ResourceDocument, ready: Condition | undefined): boolean =>
  document.status['phase'] === 'running' && ready?.status === 'true'

const late = (ready: Condition | undefined): Fault =>
  new Fault('deadline', `${demoInstance} did not run within ${instanceMsMax} ms`, {
    reasons: ready ? [ready.message] : [],
    next: [`remuda why instance/${demoInstance}`, 'remuda doctor']
  })

/** Waits until the instance answers HTTP, and gives what it says. */
export async function untilAnswering(address: string, tell: Tell): Promise<string> {
  const until = performance.now() + instanceMsMax
  for (;;) {
    try {
      const answer = await fetch(`http://${address}/`, { signal: AbortSignal.timeout(2_000) })
      if (answer.ok) {
        tell(`http://${address}/ answers`)
        return await answer.text()
      }
    } catch (thrown) {
      tell(`${address} does not answer yet`)
      if (performance.now() > until) {
        throw new Fault('deadline', `${demoInstance} does not answer at http://${address}/`, {
          cause: thrown,
          reasons: [`waited ${instanceMsMax} ms`],
          next: [`remuda log ${demoInstance}`, `remuda why instance/${demoInstance}`]
        })
      }
    }
    await sleep(100)
  }
}

async function found(
  api: Api,
  kind: 'image' | 'instance',
  name: string
): Promise<ResourceDocument | undefined> {
  try {
    return await readResource(api, { kind, name })
  } catch (thrown) {
    if (isFault(thrown, 'not-found')) return undefined
    throw thrown
  }
}
