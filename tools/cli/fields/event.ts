/** Written by `npm run docs` from shared/model: change that. */

/** The kind and the fields of its wish; `[]` after a name stands for every item of a list. */
export const event = {
  doc: 'A notification; one that happens again is counted, not repeated.',
  plural: 'notifications',
  scope: 'cloud',
  creatable: false,
  spec: {
    subject: {
      doc: 'What it is about: kind/name, or kind/tenant/name.',
      type: 'text',
      required: true
    },
    reason: { doc: 'One word for programs, such as instance-ended.', type: 'text', required: true },
    message: {
      doc: 'The sentence for people, as it was the last time.',
      type: 'text',
      required: true
    },
    severity: {
      doc: 'How urgent it is.',
      type: 'text',
      words: ['notice', 'warning', 'alarm'],
      required: true
    },
    source: { doc: 'Who saw it: controller, or agent/HOST.', type: 'text', required: true }
  }
} as const
