/** Routes of secrets: what is put in by one of them comes out by none. */
import Type from 'typebox'
import { newId } from '#shared/ids.ts'
import { Strict, Timestamp } from '#shared/model/resource.ts'
import type { Context } from '../../core/admission/context.ts'
import {
  deleteSecret,
  secretCharsMax,
  setSecret,
  shownSecrets
} from '../../core/admission/secrets.ts'
import { isRefusal } from '../../core/refusal.ts'
import { faultOf } from '../refusal-fault.ts'
import type { Call, Reply, Route } from './route.ts'
import type { Service } from './service.ts'

const Secret = Strict({
  name: Type.String(),
  changedAt: Timestamp('When it was last set.'),
  by: Type.String({ description: 'Who set it.' }),
  hosts: Type.Array(Type.String(), { description: 'Hosts whose fence devices need it.' })
})

const SecretBody = Strict({
  value: Type.String({
    minLength: 1,
    maxLength: secretCharsMax,
    description: 'One line; it is kept in the journal, and told to nobody but fence devices.'
  })
})

/** The form of a body is judged by the core, which repeats nothing of it when it is wrong. */
export const secretRoutes = (service: Service): readonly Route[] => [
  {
    method: 'GET',
    path: '/v1/secrets',
    operation: 'list-secrets',
    summary: 'List secrets: when each was set, by whom, and who needs it; never a value.',
    tag: 'secrets',
    role: 'admin',
    replies: { 200: Strict({ kind: Type.Literal('list'), items: Type.Array(Secret) }) },
    answer: async () => ({
      body: await service.ledger.settled(() => ({
        kind: 'list',
        items: shownSecrets(service.reign.view)
      }))
    })
  },
  {
    method: 'PUT',
    path: '/v1/secrets/:name',
    operation: 'set-secret',
    summary: 'Set a secret, or change it; its value is never shown again.',
    tag: 'secrets',
    role: 'admin',
    body: SecretBody,
    replies: { 204: null },
    answer: call => set(service, call)
  },
  {
    method: 'DELETE',
    path: '/v1/secrets/:name',
    operation: 'delete-secret',
    summary: 'Delete a secret; refused while a fence device needs it.',
    tag: 'secrets',
    role: 'admin',
    replies: { 204: null },
    answer: call => remove(service, call)
  }
]

async function set(service: Service, call: Call): Promise<Reply> {
  const { reign } = service
  const { body } = call
  const isObject = typeof body === 'object' && body !== null && 'value' in body
  const wish = { name: call.params['name'] ?? '', value: isObject ? body.value : undefined }
  const commit = setSecret(reign.view, wish, contextOf(service, call))
  if (isRefusal(commit)) throw faultOf(commit)
  await reign.record(commit)
  return { status: 204 }
}

async function remove(service: Service, call: Call): Promise<Reply> {
  const { reign } = service
  const commit = deleteSecret(reign.view, call.params['name'] ?? '', contextOf(service, call))
  if (isRefusal(commit)) throw faultOf(commit)
  await reign.record(commit)
  return { status: 204 }
}

const contextOf = ({ reign }: Service, call: Call): Context => ({
  by: `user/${call.caller.name}`,
  now: reign.now(),
  newId
})
