import { isFault } from '#shared/fault.ts'
import { version } from '#shared/version.ts'
import { readJson } from '../api/resources.ts'
import type { Invocation } from '../invocation.ts'
import { renderRaw } from '../output/results.ts'

/** Nobody waits long for a version. */
const answerMsMax = 2_000

/** Writes the versions of this program and of the controller; needs none to answer. */
export async function showVersion(invocation: Invocation): Promise<void> {
  const controller = await askController(invocation)
  const versions = { remuda: version, ...controller }
  const raw = await renderRaw(invocation, versions)
  if (raw !== undefined) return invocation.write(raw)
  invocation.write(`remuda      ${version}\n`)
  if ('controller' in controller) {
    invocation.write(`controller  ${controller.controller} (cloud ${controller.cloud})\n`)
  } else invocation.note(`controller  ${controller.because}\n`)
}

async function askController(
  invocation: Invocation
): Promise<{ readonly controller: string; readonly cloud: string } | { readonly because: string }> {
  const doing = 'ask the controller for its version'
  try {
    const api = await invocation.connect()
    const answer = await api.ask({
      method: 'GET',
      path: '/v1',
      doing,
      deadlineMs: answerMsMax,
      signal: invocation.signal
    })
    const said = readJson(answer, doing) as { readonly version: unknown; readonly cloud: unknown }
    return { controller: String(said.version), cloud: cloudOf(said.cloud) }
  } catch (error) {
    if (!isFault(error) || error.code === 'aborted') throw error
    return { because: error.message }
  }
}

const cloudOf = (cloud: unknown): string =>
  typeof cloud === 'object' && cloud !== null && 'id' in cloud ? String(cloud.id) : String(cloud)
