import { isFault } from '#shared/fault.ts'
import { kinds } from '#shared/model/index.ts'
import { withDefaults } from '#shared/model/validate.ts'
import { readResource } from '../api/resources.ts'
import type { Invocation } from '../invocation.ts'
import { writeReference } from '../kinds.ts'
import { renderRaw } from '../output/results.ts'
import { type Colour, oneLine } from '../terminal.ts'
import { type Difference, differences } from './fields.ts'
import { type FileWish, readWishes } from './wishes.ts'

type Comparison = {
  readonly resource: string
  readonly result: 'new' | 'changed' | 'unchanged'
  readonly differences: readonly Difference[]
}

/** Longest value that is written out. Unit: characters. */
const valueCharactersMax = 72

/** Shows what apply would change; gives 8 with --exit-code when that is something. */
export async function showDifferences(invocation: Invocation): Promise<number> {
  const wishes = await readWishes(invocation)
  const comparisons: Comparison[] = []
  for (const wish of wishes) comparisons.push(await compare(invocation, wish))
  const raw = await renderRaw(invocation, comparisons)
  if (raw !== undefined) invocation.write(raw)
  else {
    for (const comparison of comparisons) invocation.write(describe(invocation, comparison))
    const count = (result: Comparison['result']) =>
      `${comparisons.filter(one => one.result === result).length} ${result}`
    invocation.note(`${count('new')}, ${count('changed')}, ${count('unchanged')}\n`)
  }
  const differs = comparisons.some(comparison => comparison.result !== 'unchanged')
  return differs && invocation.given.flag('exit-code') ? 8 : 0
}

async function compare(invocation: Invocation, wish: FileWish): Promise<Comparison> {
  const { reference } = wish
  const resource = writeReference(reference)
  try {
    const api = await invocation.connect()
    const { labels, spec } = await readResource(api, reference, invocation.signal)
    const filled = withDefaults(kinds[reference.kind].spec, { ...countsOf(spec), ...wish.spec })
    const found = differences({ labels, spec }, { labels: wish.labels, spec: filled })
    return { resource, result: found.length === 0 ? 'unchanged' : 'changed', differences: found }
  } catch (error) {
    if (!isFault(error, 'not-found')) throw error
    const given = { labels: wish.labels, spec: wish.spec }
    return { resource, result: 'new', differences: differences(undefined, given) }
  }
}

/** What is counted up by commands and stays as it is where a file does not name it. */
const countsOf = ({ restarts }: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  restarts === undefined ? {} : { restarts }

const colourOf: Readonly<Record<string, Colour>> = { '+': 'green', '-': 'red', '~': 'yellow' }

function describe({ paint }: Invocation, comparison: Comparison): string {
  if (comparison.result === 'unchanged') return ''
  const sign = comparison.result === 'new' ? '+' : '~'
  const lines = comparison.differences.map(one => {
    const value =
      one.sign === '~'
        ? `${writeValue(one.from)} → ${writeValue(one.to)}`
        : writeValue(one.sign === '+' ? one.to : one.from)
    return paint(colourOf[one.sign]!, `  ${one.sign} ${one.path}: ${value}`)
  })
  return `${[paint(colourOf[sign]!, `${sign} ${comparison.resource}`), ...lines].join('\n')}\n`
}

function writeValue(value: unknown): string {
  const text = oneLine(JSON.stringify(value))
  return text.length <= valueCharactersMax ? text : `${text.slice(0, valueCharactersMax)}…`
}
