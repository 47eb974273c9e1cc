import type { Command, Noun } from '../command.ts'
import { fieldOption } from '../field-option.ts'
import { deviceOption } from './placing.ts'

/** By what new instances are placed. */
export const placement: Noun = {
  noun: 'placement',
  doc: 'By what new instances are placed.',
  commands: [
    {
      noun: 'placement',
      verb: 'show',
      doc: 'Shows the scores, and how much each counts.',
      examples: [{ line: 'remuda placement show', doc: 'what decides between hosts' }],
      run: () => import('../run/placement.ts').then(module => module.showWeights)
    },
    {
      noun: 'placement',
      verb: 'set',
      doc: 'Sets how much scores count for new instances, and what of memory is counted.',
      details: [
        'What moves, and what has lost its host, goes by free memory alone, as the reserve plans ' +
          'it. A negative weight turns a score round.'
      ],
      options: [
        {
          name: 'weight',
          type: 'pair',
          value: 'SCORE=WEIGHT',
          repeatable: true,
          doc: 'How much a score counts; "default" takes the setting back.'
        },
        {
          name: 'overhead',
          type: 'text',
          value: 'WORD',
          words: ['counted', 'ignored'],
          doc: 'Whether hosts keep memory for what runs an instance, beside its own.'
        }
      ],
      examples: [
        { line: 'remuda placement set --weight cpu=50', doc: 'processors count half as memory' },
        { line: 'remuda placement set --weight memory=0 --weight packing=100', doc: 'few hosts' },
        { line: 'remuda placement set --weight cpu=default', doc: 'as by itself' },
        { line: 'remuda placement set --overhead ignored', doc: 'hosts have room for emulators' }
      ],
      run: () => import('../run/placement.ts').then(module => module.setWeights)
    }
  ]
}

/** How some would be spread. */
export const place: Command = {
  verb: 'place',
  doc: 'Shows how so many new instances would be spread over the hosts; nothing is done.',
  details: [
    'Groups and the reserve are not asked: they are judged when the instances are created.'
  ],
  options: [
    {
      name: 'plan',
      type: 'flag',
      required: true,
      doc: 'Only plans; nothing else can be done yet.'
    },
    {
      name: 'count',
      type: 'count',
      value: 'N',
      doc: 'How many. Unit: count.',
      default: '1',
      minimum: 1,
      maximum: 1_000
    },
    fieldOption({ field: 'instance.memoryMib', name: 'memory' }),
    fieldOption({ field: 'instance.vcpus', name: 'vcpus' }),
    fieldOption({ field: 'instance.size', name: 'size', names: 'size' }),
    fieldOption({ field: 'instance.type', name: 'type' }),
    fieldOption({ field: 'instance.pool', name: 'pool', names: 'pool' }),
    {
      name: 'host-label',
      type: 'pair',
      value: 'KEY=VALUE',
      repeatable: true,
      field: 'instance.hostLabels',
      doc: 'Label that their hosts must have.'
    },
    fieldOption({ field: 'instance.cpuFeatures', name: 'cpu-feature', value: 'FLAG' }),
    fieldOption({ field: 'instance.architecture', name: 'architecture', value: 'WORD' }),
    fieldOption({ field: 'instance.acceleration', name: 'acceleration', value: 'WORD' }),
    fieldOption({ field: 'instance.hugePages', name: 'huge-pages', value: 'SIZE' }),
    fieldOption({ field: 'instance.numa', name: 'numa', value: 'WORD' }),
    deviceOption
  ],
  examples: [
    { line: 'remuda place --size small --count 40 --plan', doc: 'how many go where' },
    { line: 'remuda place --memory 2GiB --host-label disk=ssd --plan', doc: 'one, and where' }
  ],
  run: () => import('../run/placement.ts').then(module => module.planPlacement)
}

/** Every host, and what it comes to. */
export const explainPlacement: Command = {
  verb: 'explain-placement',
  doc: 'Shows what each host comes to for an instance, part by part, or why it cannot take it.',
  positionals: [
    { name: 'KIND/NAME', doc: 'The instance, such as instance/web.', references: true }
  ],
  examples: [{ line: 'remuda explain-placement instance/web', doc: 'why here and not there' }],
  run: () => import('../run/placement.ts').then(module => module.explainPlacement)
}
