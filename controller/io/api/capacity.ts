/** What is left of the cloud, before and after losses, and if it had other hosts. */
import Type from 'typebox'
import { Fault } from '#shared/fault.ts'
import { Strict, Words } from '#shared/model/resource.ts'
import { isRefusal } from '../../core/refusal.ts'
import { outlookOf } from '../../core/reserve/outlook.ts'
import { promiseSteps, strandingSentence } from '../../core/reserve/promise.ts'
import { reserveOf } from '../../core/reserve/settings.ts'
import { imagined, thoughtUpMax, type WhatIf } from '../../core/reserve/what-if.ts'
import { breathed } from '../breath.ts'
import { faultOf } from '../refusal-fault.ts'
import type { Call, Reply, Route } from './route.ts'
import type { Service } from './service.ts'

const Count = (description: string) => Type.Integer({ description: `${description} Unit: count.` })
const Mib = (description: string) => Type.Number({ description: `${description} Unit: MiB.` })
const Names = (description: string) => Type.Array(Type.String(), { description })

const CapacityReply = Strict({
  reserve: Strict({
    hosts: Count('Losses of hosts that room is kept for.'),
    domain: Type.Optional(
      Type.String({ description: 'Label of which any one value may be lost as a whole.' })
    ),
    state: Words(['none', 'kept', 'broken', 'too-many-cases'], {
      description: 'Whether everything would find a place after each of these losses.'
    }),
    broken: Names('What it is not kept for, a sentence each; the first ten.')
  }),
  whatIf: Strict({
    without: Names('Hosts that are thought away.'),
    with: Type.Array(Strict({ count: Count('So many more hosts.'), like: Type.String() }), {
      description: 'Hosts that are thought up.'
    }),
    stranded: Names('Instances that would find no place without those hosts.'),
    staying: Type.Array(
      Strict({
        name: Type.String({ description: 'Name of the instance.' }),
        host: Type.String({ description: 'Its host.' }),
        because: Type.String({ description: 'Why it can run nowhere else.' })
      }),
      { description: 'Instances that would stay down with those hosts.' }
    )
  }),
  hosts: Count('Hosts that are open for instances and heard.'),
  memoryMib: Mib('Memory that instances may have there.'),
  memoryLeftMib: Mib('What of it is not promised.'),
  vcpus: Count('Virtual processors that they may carry.'),
  vcpusLeft: Count('What of them is not promised.'),
  losses: Count('Hosts that are lost in "after".'),
  exact: Type.Boolean({
    description: 'Whether every loss was looked at; else only those of the largest hosts.'
  }),
  sizes: Type.Array(
    Strict({
      name: Type.String({ description: 'Name of the size.' }),
      vcpus: Count('Its virtual processors.'),
      memoryMib: Mib('Its memory.'),
      overheadMib: Mib('What its host needs for one beside that.'),
      now: Count('How many more fit as it is.'),
      after: Count('How many fit after the worst loss, when all that was lost runs elsewhere.'),
      worst: Names('Hosts of that loss.'),
      byMemory: Count('How many fit now if memory alone were short.'),
      byVcpus: Count('How many fit now if processors alone were short.'),
      limit: Words(['memory', 'vcpus', 'hosts'], { description: 'What there is too little of.' })
    }),
    { description: 'Named sizes, the smallest first.' }
  )
})

const CapacityQuery = Strict({
  without: Type.Optional(
    Type.String({ maxLength: 4096, description: 'Hosts to think away, with commas.' })
  ),
  with: Type.Optional(
    Type.String({ maxLength: 4096, description: 'Hosts to think up: 2xh1 is two like h1.' })
  )
})

/** What is left. */
export const capacityRoutes = (service: Service): readonly Route[] => [
  {
    method: 'GET',
    path: '/v1/capacity',
    operation: 'get-capacity',
    summary: 'What is left for instances of each size, before and after losses of hosts.',
    tag: 'cloud',
    role: 'reader',
    query: CapacityQuery,
    replies: { 200: CapacityReply },
    answer: call => capacity(service, call)
  }
]

async function capacity(service: Service, call: Call): Promise<Reply> {
  const { view } = service.reign
  const whatIf: WhatIf = {
    without: listIn(call.query['without']),
    with: listIn(call.query['with']).map(moreIn)
  }
  const now = service.reign.now()
  const reserve = reserveOf(view)
  const thought = imagined(view, whatIf, now)
  if (isRefusal(thought)) throw faultOf(thought)
  const { ground, stranded, staying } = thought
  const { clock } = service
  const promised = await breathed(promiseSteps(ground, reserve), clock, call.signal)
  const { state, strandings } = promised
  const outlook = await breathed(outlookOf(view, ground, reserve), clock, call.signal)
  const { hosts = 0, domain } = reserve ?? {}
  const broken = strandings.map(strandingSentence)
  return {
    body: {
      reserve: { hosts, ...(domain !== undefined && { domain }), state, broken },
      whatIf: { ...whatIf, stranded, staying },
      ...outlook
    }
  }
}

const listIn = (text: string | undefined): readonly string[] =>
  [...new Set((text ?? '').split(','))].filter(name => name !== '')

function moreIn(text: string): WhatIf['with'][number] {
  const [, count, like] = /^(\d{1,4})x(.+)$/.exec(text) ?? []
  if (like !== undefined && Number(count) > 0) return { count: Number(count), like }
  throw new Fault('invalid', `cannot read "${text}" as hosts to think up`, {
    next: [`write 2xh1 for two hosts like h1, at most ${thoughtUpMax}`]
  })
}
