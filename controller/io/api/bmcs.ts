/** Baseboard controllers: which were found, and having bootds look for them. */
import Type, { type Static } from 'typebox'
import { bmcAddresses } from '#shared/bmc-range.ts'
import { Fault } from '#shared/fault.ts'
import { Strict } from '#shared/model/resource.ts'
import { BmcFound, BmcsFound, type BmcsFound as Found } from '#shared/wire/bootd-question.ts'
import { bmcsShown } from '../../core/boot/bmcs.ts'
import type { BootdAnswer } from '../bootd-questions.ts'
import type { Call, Route } from './route.ts'
import type { Service } from './service.ts'

const { at, ...found } = BmcFound.properties
const Names = (description: string) => Type.Array(Type.String(), { description })
const BmcsReply = Strict({
  kind: Type.Literal('list'),
  items: Type.Array(
    Strict({
      ...found,
      at: Type.Optional(at),
      bootds: Names('Bootds that have found it.'),
      fences: Names('Hosts that a fence device at this address is set for.')
    })
  ),
  scans: Type.Array(
    Strict({
      bootd: Type.String({ description: 'Bootd that looks, or has looked.' }),
      ...BmcsFound.properties.scan.properties
    }),
    { description: 'The last scan of each bootd.' }
  ),
  problems: Names('Bootds that have not answered, and why.')
})
const ScanBody = Strict({
  range: Type.String({
    pattern: '^\\d{1,3}(\\.\\d{1,3}){3}(/\\d{1,2})?$',
    description: 'Addresses to ask, such as 10.0.5.0/24; at most 4096.'
  })
})

/** Reads are for everybody; who may change things may have packets sent to a network. */
export const bmcRoutes = (service: Service): readonly Route[] => [
  {
    method: 'GET',
    path: '/v1/bmcs',
    operation: 'list-bmcs',
    summary: 'Baseboard controllers that were found, and whose hosts they fence.',
    tag: 'boot',
    role: 'reader',
    replies: { 200: BmcsReply },
    answer: async ({ signal }) => {
      const answers = await service.bootds.askAll<Found>(
        { ask: 'bmcs' },
        { schema: BmcsFound, signal }
      )
      return { body: replyOf(service, answers) }
    }
  },
  {
    method: 'POST',
    path: '/v1/bmcs/scan',
    operation: 'scan-bmcs',
    summary: 'Have every bootd look for baseboard controllers in a range; it goes on by itself.',
    tag: 'boot',
    role: 'admin',
    body: ScanBody,
    checked: true,
    replies: { 200: BmcsReply },
    answer: async call => ({ body: await scan(service, call) })
  }
]

async function scan(service: Service, { body, caller, signal }: Call): Promise<object> {
  const { range } = body as Static<typeof ScanBody>
  const addresses = bmcAddresses(range)
  if (typeof addresses === 'string') throw new Fault('invalid', `cannot scan: ${addresses}`)
  service.log.info('baseboard controllers are to be looked for', { range, by: caller.name })
  const question = { ask: 'bmc-scan', range } as const
  const answers = await service.bootds.askAll<Found>(question, { schema: BmcsFound, signal })
  if (answers.some(one => 'value' in one)) return replyOf(service, answers)
  const faults = answers.flatMap(one => ('fault' in one ? one.fault : []))
  const refused = faults.find(({ code }) => code === 'conflict' || code === 'invalid')
  throw new Fault(
    refused?.code ?? 'unavailable',
    `cannot look for baseboard controllers in ${range}`,
    {
      reasons: faults.length === 0 ? ['no bootd is heard'] : faults.map(({ message }) => message),
      next: ['remuda boot show', 'remuda bmc list']
    }
  )
}

const replyOf = (service: Service, answers: readonly BootdAnswer<Found>[]): object => {
  const said = answers.flatMap(one => ('value' in one ? { bootd: one.bootd, ...one.value } : []))
  return {
    kind: 'list',
    items: bmcsShown(service.reign.view, said),
    scans: said.flatMap(({ bootd, scan }) => (scan ? { bootd, ...scan } : [])),
    problems: answers.flatMap(one => ('fault' in one ? one.fault.message : []))
  }
}
