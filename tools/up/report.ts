/** What `up` says at its end: what is there now, where it is, and what to try. */
import { join } from 'node:path'
import type { ResourceDocument } from '#shared/model/index.ts'
import { stateDefault } from '#shared/state-folder.ts'
import { readConfig } from '../../controller/io/config.ts'
import type { Api } from '../cli/api/client.ts'
import { demoInstance } from './demo.ts'
import { home, type Layout } from './layout.ts'

/** What there is to report. */
export type Seen = {
  readonly host: string
  /** Address of the demonstration, and what it said there; undefined: it does not run. */
  readonly address: string | undefined
  readonly answer: string | undefined
  readonly tookMs: number
  readonly instances: readonly ResourceDocument[]
  readonly url: string
}

/** Lines of the demonstration's page that are shown. */
const answerLinesMax = 8

/** Asks for what the report says of the whole cloud. */
export async function lookAround(
  api: Api,
  layout: Layout
): Promise<Pick<Seen, 'instances' | 'url'>> {
  const path = '/v1/instances'
  const query = { tenant: '*' }
  const answer = await api.ask({ method: 'GET', path, query, doing: 'list instances' })
  const { items } = JSON.parse(answer.bytes.toString()) as { items: ResourceDocument[] }
  const config = await readConfig(['--state', layout.state], {})
  const scheme = config.certificate === undefined ? 'http' : 'https'
  return { instances: items, url: `${scheme}://${config.apiAddress}:${config.apiPort}` }
}

/** Writes the report, one line each. */
export function writeReport(layout: Layout, seen: Seen): readonly string[] {
  const cli = join(home, 'dist', 'remuda')
  const isElsewhere = layout.state !== stateDefault
  const variable = isElsewhere ? `REMUDA_STATE=${layout.state} ` : ''
  const seconds = (seen.tookMs / 1000).toFixed(1)
  const said = seen.answer?.trim().split('\n').slice(0, answerLinesMax) ?? []
  return [
    '',
    `The cloud is up after ${seconds} s on ${seen.host}: ${count(seen.instances)}.`,
    ...(said.length === 0 ? [] : [`${demoInstance} says at http://${seen.address}/:`]),
    ...said.map(line => `    ${line}`),
    '',
    `  API           ${seen.url}/v1 (description: /v1/openapi.json)`,
    `  admin token   ${join(layout.state, 'admin.token')}`,
    '  dashboard     comes with a later release',
    `  logs          ${layout.logs}`,
    `  command       ${cli}`,
    '',
    'Try next:',
    ...(isElsewhere ? [`  export REMUDA_STATE=${layout.state}`] : []),
    `  ${cli} status`,
    `  ${cli} instance create web --image tiny --memory 128MiB`,
    `  ${cli} why instance/${demoInstance}`,
    `  ${cli} console ${demoInstance}`,
    `  virsh -c qemu:///system list`,
    '',
    `${variable}npm run down stops it all again.`
  ]
}

function count(instances: readonly ResourceDocument[]): string {
  const running = instances.filter(({ status }) => status['phase'] === 'running').length
  const all = instances.length === 1 ? '1 instance' : `${instances.length} instances`
  if (running === instances.length) return `${all}, running`
  return `${all}, ${running} of them running`
}
