/** How often an instance changes its host, in all stories: what flaps moves nothing to and fro. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'

const windowSeconds = 600

/** Stories in which an instance has every reason to go on. */
const twice: readonly string[] = [
  // It crashes wherever it is.
  'crash-hops-and-fails',
  'crash-while-controller-changes',
  // Its host is cut off, and the one that it came to dies.
  'cut-off-and-writes',
  // An operator has it leave, and brings it back.
  'drain',
  // The host that it came to dies, too.
  'evacuated-twice',
  // As in a drain.
  'maintenance-is-not-fenced',
  // The host that it came to dies, too.
  'racks-apart'
]

/** By instance, at which seconds it got another host without anybody having asked for it. */
function movesIn(story: string): ReadonlyMap<string, readonly number[]> {
  const log = readFileSync(join(import.meta.dirname, story, 'log.expect'), 'utf8')
  const moves = new Map<string, number[]>()
  for (const line of log.split('\n')) {
    const found = /^ *([\d.]+) s +(?:\w+ )?instance\/(\S+) +(evacuated|moved) by/.exec(line)
    if (!found) continue
    const [, seconds = '', instance = ''] = found
    moves.set(instance, [...(moves.get(instance) ?? []), Number(seconds)])
  }
  return moves
}

const stories = readdirSync(import.meta.dirname, { withFileTypes: true })
  .filter(entry => entry.isDirectory())
  .map(({ name }) => name)

test('no instance changes its host twice within ten minutes without a reason of its own', t => {
  const often = stories.filter(story =>
    [...movesIn(story).values()].some(all =>
      all.some((at, place) => place > 0 && at - all[place - 1]! < windowSeconds)
    )
  )
  t.deepEqual(often, twice)
  t.true(stories.filter(story => movesIn(story).size > 0).length > 20, 'some do move')
})

test('lines that flap, hosts that are slow and peers that miss one move nothing at all', t => {
  for (const story of [
    ...['line-flaps', 'line-flaps-for-long', 'peers-miss-it', 'cut-from-controller-alone'],
    ...['slow-host', 'slower-host', 'agent-stands-still-briefly', 'controller-stood-still']
  ]) {
    t.deepEqual([...movesIn(story)], [], story)
  }
})
