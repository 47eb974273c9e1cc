/** Runs parts of Remuda under faults: `npm run chaos -- NAME …`; without one, lists the runs. */
import { sentence } from '#shared/fault.ts'

/** Gives whether all promises were kept. */
type Run = (
  words: readonly string[],
  print: (line: string) => void,
  signal: AbortSignal
) => Promise<boolean>
type Entry = {
  /** What is tried. */
  readonly says: string
  /** Loads the run only when it is wanted. */
  readonly load: () => Promise<Run>
}

const runs: Readonly<Record<string, Entry>> = {
  journal: {
    says: 'journal and election: --minutes 10 --seed N --session MS --journal zookeeper|postgres',
    load: async () => (await import('./journal.ts')).journalChaos
  },
  lab: {
    says: 'three real hosts, their controller and their ensemble: --minutes 10 --seed N',
    load: async () => (await import('./lab.ts')).labChaos
  },
  healing: {
    says: 'hosts that fail, real power devices: --minutes 0 --seed N --kinds "A;B" --bmc mixed',
    load: async () => (await import('./healing.ts')).healingChaos
  },
  disk: {
    says: 'writers on disks that hosts share: --minutes 10 --seed N --storage alike|blind|locked',
    load: async () => (await import('./disk.ts')).diskChaos
  },
  moves: {
    says: 'moves that are cut off in each phase, and what they leave: --kinds "A;B" --rounds 1',
    load: async () => (await import('./moves.ts')).movesChaos
  },
  lie: {
    says: 'a fence device that lies, and what locks do then: --storages alike,blind,locked',
    load: async () => (await import('./disk-lie.ts')).lieChaos
  }
}

const print = (line: string) => void process.stdout.write(`${line}\n`)

async function main([name, ...words]: readonly string[]): Promise<number> {
  const run = name === undefined ? undefined : runs[name]
  if (!run) {
    if (name !== undefined) print(`cannot run ${name}: there is no such chaos run`)
    for (const [each, { says }] of Object.entries(runs)) print(`${each}  ${says}`)
    return name === undefined ? 0 : 2
  }
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => interrupted.abort(new Error(`${signal} was received`)))
  }
  try {
    return (await (await run.load())(words, print, interrupted.signal)) ? 0 : 1
  } catch (thrown) {
    print(`cannot finish the chaos run: ${sentence(thrown)}`)
    return interrupted.signal.aborted ? 130 : 1
  }
}

process.exitCode = await main(process.argv.slice(2))
