/** Schemas of what the API takes and gives, made of the table of kinds. */
import Type, { type TObject, type TSchema } from 'typebox'
import { type Kind, kinds } from '#shared/model/index.ts'
import { Condition, Labels, Name, Strict, Timestamp } from '#shared/model/resource.ts'

/** A field of a query that is yes or no. */
export const Flag = (description: string) =>
  Type.String({ enum: ['1', '0', 'true', 'false'], description })

/** Fields of a query, to be spread into one. */
export const TenantQuery = {
  tenant: Type.Optional(
    Type.String({ maxLength: 63, description: 'Tenant; `default` when left out.' })
  )
}
/** Fields of a query, to be spread into that of each write. */
export const DryRun = {
  dryRun: Type.Optional(Flag('Judge it, and answer what would be done, without doing it.'))
}

/** Fields of a query, to be spread into that of the removal of a host. */
export const Force = {
  force: Type.Optional(Flag('Remove it with all that is on it, for good.'))
}

/** What a list is asked with; numbers are text, as everything in a query. */
export const ListQuery = Strict({
  tenant: Type.Optional(
    Type.String({ maxLength: 63, description: 'Tenant; `default` when left out, `*` for all.' })
  ),
  limit: Type.Optional(
    Type.String({ pattern: '^\\d{1,5}$', description: 'Most items of a page, 1 to 1000.' })
  ),
  next: Type.Optional(
    Type.String({ maxLength: 4096, description: 'Where to go on: `next` of the page before.' })
  ),
  filter: Type.Optional(
    Type.String({ maxLength: 2048, description: 'Such as status.phase=running and name~web.' })
  ),
  fields: Type.Optional(
    Type.String({ maxLength: 2048, description: 'Only these fields, comma-separated paths.' })
  ),
  sort: Type.Optional(
    Type.String({ maxLength: 512, description: 'Paths to sort by; a minus before: descending.' })
  )
})

const documents = new Map<Kind, TObject>()

/** The document of a kind; the same schema each time. */
export function documentSchema(kind: Kind): TObject {
  const known = documents.get(kind)
  if (known) return known
  const schema = makeDocument(kind)
  documents.set(kind, schema)
  return schema
}

const makeDocument = (kind: Kind): TObject => {
  const { spec, status, scope } = kinds[kind]
  return Strict({
    kind: Type.Literal(kind),
    id: Type.String({ description: 'Unique for all time.' }),
    name: Name('Unique within its tenant.'),
    ...(scope === 'tenant' && { tenant: Name('Who has it.') }),
    labels: Labels,
    spec,
    status,
    conditions: Type.Array(Condition, { description: 'What is so, what is not, and why.' }),
    generation: Type.Integer({ description: 'Raised by each change of spec.' }),
    observedGeneration: Type.Integer({ description: 'The generation that status speaks of.' }),
    createdAt: Timestamp('When it was created.')
  })
}

/** Makes a schema for a kind once: a schema is compiled when it is first used, which takes long. */
function perKind(make: (kind: Kind) => TObject): (kind: Kind) => TObject {
  const made = new Map<Kind, TObject>()
  return kind => {
    const schema = made.get(kind) ?? make(kind)
    made.set(kind, schema)
    return schema
  }
}

/** What a POST takes: the wish. The kind and the tenant may be said too, and must then agree. */
export const createSchema = perKind(kind =>
  Strict({
    kind: Type.Optional(Type.Literal(kind)),
    tenant: Type.Optional(Name('Who has it.')),
    name: Name('Unique within its tenant.'),
    labels: Type.Optional(Labels),
    spec: kinds[kind].spec
  })
)

/** What a PUT takes. */
export const replaceSchema = perKind(kind =>
  Strict({
    kind: Type.Optional(Type.Literal(kind)),
    tenant: Type.Optional(Name('Who has it.')),
    name: Type.Optional(Name('As in the path.')),
    labels: Type.Optional(Labels),
    spec: kinds[kind].spec
  })
)

/** What a PATCH takes: a merge patch (RFC 7396) of labels and spec. */
export const PatchBody = Strict({
  labels: Type.Optional(Type.Object({}, { description: 'Labels to set; null removes one.' })),
  spec: Type.Optional(Type.Object({}, { description: 'Fields to set; null removes one.' }))
})

/** What a dry run would have recorded. */
export const Decisions = Strict({
  changes: Type.Array(Strict({ op: Type.String(), kind: Type.String(), name: Type.String() }), {
    description: 'What would be recorded.'
  }),
  because: Type.Array(Type.String(), { description: 'Why, a sentence each.' }),
  placement: Type.Optional(
    Strict({
      chosen: Type.Optional(Type.String({ description: 'Host that it would be on.' })),
      rejected: Type.Array(Strict({ host: Type.String(), because: Type.String() }))
    })
  )
})

/** What a dry run answers instead of the document itself; `resource` is as it would be. */
export const DryRunReply = (document: TSchema) =>
  Strict({
    dryRun: Type.Literal(true),
    changed: Type.Boolean({ description: 'Whether anything would be recorded.' }),
    resource: Type.Optional(document),
    decision: Decisions
  })

/** One page of a list. */
export const ListReply = (document: TSchema) =>
  Strict({
    kind: Type.Literal('list'),
    items: Type.Array(document),
    next: Type.Optional(Type.String({ description: 'Pass it on to get the next page.' })),
    revision: Type.String({ description: 'Event id that this list stands at.' })
  })

/** Decisions about one subject, oldest first. */
export const HistoryReply = Strict({
  items: Type.Array(
    Strict({
      position: Type.Integer({ description: 'Place in the journal.' }),
      at: Timestamp('When it was decided.'),
      by: Type.String({ description: 'Who decided it.' }),
      verb: Type.String({ description: 'What was done.' }),
      because: Type.String({ description: 'Why.' }),
      subjects: Type.Array(Type.String())
    })
  )
})

/** How a resource stands, in sentences and in parts. */
export const WhyReply = Strict({
  subject: Type.String(),
  summary: Type.Array(Type.String()),
  conditions: Type.Array(Condition),
  placement: Type.Optional(
    Strict({
      chosen: Type.Optional(Type.String()),
      scored: Type.Array(
        Strict({
          host: Type.String(),
          score: Type.Number({ description: 'Sum of the parts, each times its weight.' }),
          parts: Type.Array(
            Strict({
              name: Type.String({ description: 'Name of the score.' }),
              weight: Type.Number({ description: 'How much it counts.' }),
              value: Type.Number({ description: 'Between -1 and 1.' })
            })
          )
        }),
        { description: 'The host that has it, then others that could take it, the best first.' }
      ),
      rejected: Type.Array(Strict({ host: Type.String(), because: Type.String() })),
      changes: Type.Array(Type.String(), {
        description: 'Where no host can take it: single changes that would be enough.'
      })
    })
  ),
  history: HistoryReply.properties.items
})

/** The body of every answer from 400 on. */
export const ProblemBody = Type.Object(
  {
    type: Type.String({ description: 'urn:remuda:CODE.' }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String({ description: 'What could not be done.' }),
    instance: Type.String({ description: 'Path that was asked.' }),
    errors: Type.Optional(
      Type.Array(Strict({ pointer: Type.String(), detail: Type.String() }), {
        description: 'Fields at fault, as JSON pointers.'
      })
    ),
    reasons: Type.Array(Type.String(), { description: 'Why, with numbers.' }),
    next: Type.Array(Type.String(), { description: 'What to do next.' })
  },
  { description: 'Problem document, RFC 9457.' }
)
