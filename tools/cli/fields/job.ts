/** Written by `npm run docs` from shared/model: change that. */

/** The kind and the fields of its wish; `[]` after a name stands for every item of a list. */
export const job = {
  doc: 'Long work that the controller does itself, such as fetching an image.',
  plural: 'jobs',
  scope: 'cloud',
  creatable: false,
  spec: {
    verb: { doc: 'What is done: import, delete …', type: 'text', required: true },
    subject: {
      doc: 'What it is done to: kind/name or kind/tenant/name.',
      type: 'text',
      required: true
    }
  }
} as const
