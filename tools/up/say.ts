/** Says what is being done, one line a step, with the time that it took. */
export type Say = {
  /** Runs one step and writes its line: what it told last, or that it failed. */
  readonly step: <Result>(name: string, work: (tell: Tell) => Promise<Result>) => Promise<Result>
  readonly line: (text: string) => void
}
/** Says how far a step is, or in the end what it found. */
export type Tell = (text: string) => void

/** Where lines go: on a terminal they can be written over. */
export type Output = {
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  readonly write: (text: string) => unknown
}

/** Least time between two lines of progress, where they cannot overwrite each other. Unit: ms. */
const tellMs = 5_000

/** Makes a teller for a stream; on a terminal the line of a step is rewritten as it goes on. */
export function makeSay(output: Output): Say {
  const write = (text: string): void => void output.write(text)
  return {
    line: text => write(`${text}\n`),
    step: async (name, work) => {
      const startedAt = performance.now()
      const progress = output.isTTY ? overwriting(output, name) : adding(output, name)
      let last = ''
      let failed = true
      try {
        const result = await work(text => {
          last = text
          progress.tell(text)
        })
        failed = false
        return result
      } finally {
        const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
        const found = last === '' ? '' : `: ${last}`
        write(`${progress.end()}  ${failed ? `✗ ${name}` : `✓ ${name}${found} (${seconds} s)`}\n`)
      }
    }
  }
}

type Progress = {
  readonly tell: Tell
  /** Ends it; gives what clears its line. */
  readonly end: () => string
}

function overwriting(output: Output, name: string): Progress {
  const clear = '\r\x1b[K'
  output.write(`  … ${name}`)
  return {
    tell: text => {
      const line = `  … ${name}: ${text}`
      output.write(clear + line.slice(0, output.columns || 80))
    },
    end: () => clear
  }
}

/** Adds a line now and then, so that what is told at the very end stands there once. */
function adding(output: Output, name: string): Progress {
  let untold: string | undefined
  const timer = setInterval(() => {
    if (untold !== undefined) output.write(`  … ${name}: ${untold}\n`)
    untold = undefined
  }, tellMs)
  return {
    tell: text => {
      untold = text
    },
    end: () => {
      clearInterval(timer)
      return ''
    }
  }
}
