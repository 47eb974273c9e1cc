/** Commands that work on any kind. */
import type { Command, Positional } from '../command.ts'
import { kindWords } from '../kinds.ts'
import { dryRunOption, listOptions, waitOptions } from '../options.ts'

const one: Positional = {
  name: 'KIND/NAME',
  doc: 'The resource, such as instance/web.',
  references: true
}
const file = {
  name: 'file',
  short: 'f',
  type: 'text',
  value: 'FILE',
  required: true,
  doc: 'YAML or JSON file with one or several documents; - reads standard input.'
} as const

const get: Command = {
  verb: 'get',
  doc: 'Shows resources of any kind.',
  positionals: [{ name: 'KIND[/NAME]', doc: 'A kind, or one resource of it.', references: true }],
  options: listOptions,
  examples: [
    { line: 'remuda get ports', doc: 'all ports' },
    { line: 'remuda get instance/web -o yaml', doc: 'one instance, as apply takes it' }
  ],
  run: () => import('../run/get.ts').then(module => module.get)
}

const apply: Command = {
  verb: 'apply',
  doc: 'Makes the cloud hold what a file says: creates what is missing, changes what differs.',
  details: [
    'Documents may stand in any order: what others refer to is written first. What the file does ' +
      'not name is left alone. A field that is left out takes its default.'
  ],
  options: [
    file,
    dryRunOption,
    { name: 'wait', type: 'flag', doc: 'Waits until all of it is as desired.' },
    ...waitOptions.filter(option => option.name === 'timeout')
  ],
  examples: [
    { line: 'remuda apply -f cloud.yaml', doc: 'one line per resource' },
    { line: 'remuda export | remuda --server https://other:7410 apply -f -', doc: 'copies a cloud' }
  ],
  run: () => import('../run/apply.ts').then(module => module.apply)
}

const diff: Command = {
  verb: 'diff',
  doc: 'Shows field by field what apply would change.',
  options: [
    file,
    { name: 'exit-code', type: 'flag', doc: 'Exits with 8 when there are differences.' }
  ],
  examples: [
    { line: 'remuda diff -f cloud.yaml', doc: '+ new, - gone, ~ changed' },
    { line: 'remuda diff -f cloud.yaml --exit-code', doc: 'for scripts' }
  ],
  run: () => import('../run/diff.ts').then(module => module.showDifferences)
}

const exportCommand: Command = {
  verb: 'export',
  doc: 'Writes resources as YAML that apply takes.',
  details: [
    'Status, ids and whatever is at its default are left out, and so are root volumes, which are ' +
      'made with their instance. The content of images and volumes is not in it.'
  ],
  positionals: [
    {
      name: 'KIND',
      doc: 'Only this kind; all kinds that can be created when left out.',
      optional: true,
      words: kindWords.flatMap(words => [words.kind, words.plural, ...words.aliases])
    }
  ],
  options: listOptions.filter(option => option.name === 'filter'),
  examples: [
    { line: 'remuda export > cloud.yaml', doc: 'everything of your tenant' },
    { line: 'remuda export instance --filter labels.app=web', doc: 'some instances' }
  ],
  run: () => import('../run/export.ts').then(module => module.exportResources)
}

const explain: Command = {
  verb: 'explain',
  doc: 'Explains the fields of a kind: what may stand in the spec of a file for apply.',
  details: [
    'Of one field it also says which option sets it. With -o wide the meaning stands in the same ' +
      'line. No controller is needed: it is what this program knows.'
  ],
  positionals: [
    { name: 'KIND[.FIELD]', doc: 'A kind, or one field of it with those within.', fields: true }
  ],
  examples: [
    { line: 'remuda explain instance', doc: 'all that can be wished of an instance' },
    { line: 'remuda explain instance.restart', doc: 'a part of it' },
    { line: 'remuda explain volume.sizeMib -o json', doc: 'for an editor' }
  ],
  run: () => import('../run/explain.ts').then(module => module.explainFields)
}

const why: Command = {
  verb: 'why',
  doc: 'Says why a resource is as it is.',
  positionals: [one],
  examples: [{ line: 'remuda why instance/web', doc: 'why does it not run?' }],
  run: () => import('../run/why.ts').then(module => module.showWhy)
}

const history: Command = {
  verb: 'history',
  doc: 'Shows all decisions about a resource, the newest last.',
  positionals: [one],
  examples: [
    { line: 'remuda history instance/web', doc: 'what was done with it, by whom, and why' }
  ],
  run: () => import('../run/why.ts').then(module => module.showHistory)
}

const events: Command = {
  verb: 'events',
  doc: 'Shows notifications; with -w what happens, as it happens.',
  options: [
    ...listOptions,
    {
      name: 'kind',
      type: 'text',
      value: 'KIND',
      repeatable: true,
      doc: 'Only this kind, with -w; "boot": how machines boot.'
    },
    {
      name: 'for',
      type: 'text',
      value: 'KIND/NAME',
      doc: 'Only what is about this resource.'
    }
  ],
  examples: [
    { line: 'remuda events', doc: 'what happened lately' },
    { line: 'remuda events -w --kind instance', doc: 'instances, live' },
    { line: 'remuda events -w --kind boot', doc: 'while a rack is powered on' },
    { line: 'remuda events -w -o json', doc: 'one JSON document per line' }
  ],
  run: () => import('../run/events.ts').then(module => module.showEvents)
}

const wait: Command = {
  verb: 'wait',
  doc: 'Waits until a resource is in some state.',
  details: ['It exits with 7 when the time is over, and with 3 when the resource is gone.'],
  positionals: [one],
  options: [
    {
      name: 'for',
      type: 'text',
      value: 'STATE',
      doc: 'condition=TYPE, condition=TYPE=false, phase=PHASE, FIELD=VALUE, or deleted.',
      default: 'condition=ready'
    },
    {
      name: 'timeout',
      type: 'duration',
      value: 'DURATION',
      doc: 'How long to wait. Unit: s unless given.',
      default: '60s'
    }
  ],
  examples: [
    { line: 'remuda wait instance/web --for condition=ready --timeout 2m', doc: 'until it runs' },
    { line: 'remuda wait instance/web --for deleted', doc: 'until it is gone' }
  ],
  run: () => import('../run/wait.ts').then(module => module.waitFor)
}

const api: Command = {
  verb: 'api',
  doc: 'Sends one request to the API and writes the answer.',
  positionals: [
    {
      name: 'METHOD',
      doc: 'GET, POST, PUT, PATCH or DELETE.',
      words: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']
    },
    { name: 'PATH', doc: 'Such as /v1/instances; /v1/ may be left out.' }
  ],
  options: [
    {
      name: 'body',
      short: 'd',
      type: 'text',
      value: 'JSON|@FILE',
      doc: 'Body to send: JSON, @FILE, or @- for standard input.'
    },
    {
      name: 'header',
      short: 'H',
      type: 'text',
      value: 'NAME:VALUE',
      repeatable: true,
      doc: 'A further header.'
    },
    { name: 'include', short: 'i', type: 'flag', doc: 'Writes status and headers too.' }
  ],
  examples: [
    { line: 'remuda api GET /v1/status', doc: 'what the status command reads' },
    {
      line: 'remuda api PATCH instances/web -H "If-Match: *" -d \'{"labels":{"app":"x"}}\'',
      doc: 'sets a label'
    }
  ],
  run: () => import('../run/api.ts').then(module => module.sendRequest)
}

/** Commands that take a kind as an argument. */
export const anyCommands: readonly Command[] = [
  get,
  apply,
  diff,
  exportCommand,
  explain,
  why,
  history,
  events,
  wait,
  api
]
