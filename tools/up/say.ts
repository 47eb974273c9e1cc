/** Says what is being done, one line a step, with the time that it took. */
export type Say = {
  /** Runs one step; `did` of its result tells whether anything had to be done. */
  readonly step: <Result>(name: string, work: (tell: Tell) => Promise<Result>) => Promise<Result>
  readonly line: (text: string) => void
}
/** Says how far a step is, or in the end what it found. */
export type Tell = (text: string) => void

/** Least time between two lines of progress, where they cannot overwrite each other. Unit: ms. */
const tellMs = 5_000

/** Makes a teller for a stream; on a terminal the line of a step is rewritten as it goes on. */
export function makeSay(output: NodeJS.WriteStream): Say {
  const live = output.isTTY === true
  const write = (text: string): void => void output.write(text)
  return {
    line: text => write(`${text}\n`),
    step: async (name, work) => {
      const startedAt = performance.now()
      let last = ''
      let toldAt = startedAt
      const tell: Tell = text => {
        last = text
        if (live) write(`\r\x1b[K  … ${name}: ${text}`.slice(0, (output.columns || 80) + 4))
        else if (performance.now() - toldAt > tellMs) {
          toldAt = performance.now()
          write(`  … ${name}: ${text}\n`)
        }
      }
      if (live) write(`  … ${name}`)
      const clear = live ? '\r\x1b[K' : ''
      try {
        const result = await work(tell)
        const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
        write(`${clear}  ✓ ${name}${last === '' ? '' : `: ${last}`} (${seconds} s)\n`)
        return result
      } catch (thrown) {
        write(`${clear}  ✗ ${name}\n`)
        throw thrown
      }
    }
  }
}
