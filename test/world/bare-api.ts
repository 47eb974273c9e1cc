import fastify from 'fastify'

/** A fastify with nothing of ours that answers with given documents: to measure against. */
export async function serveBareApi(
  path: string,
  documents: { readonly one: object; readonly list: object; readonly created: object }
): Promise<void> {
  const app = fastify()
  app.get('/v1/instances/:name', async () => documents.one)
  app.get('/v1/instances', async () => documents.list)
  app.post('/v1/instances', async (_, reply) => reply.code(201).send(documents.created))
  await app.listen({ path })
}
