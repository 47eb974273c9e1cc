/** Measures how long an instance does not answer over HTTP while something happens to it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Lab } from '../../tools/lab/lab.ts'
import { enter } from '../../tools/lab/place.ts'

/** What was found. */
export type Gaps = {
  readonly answers: number
  /** Longest and usual time between two answers. Unit: ms. */
  readonly longestMs: number
  readonly medianMs: number
}

/** Asks again and again, and writes a line with the time of each answer. */
const program = `
import { get } from 'node:http'
const [host] = process.argv.slice(-1)
const ask = () => new Promise(resolve => {
  const request = get({ host, timeout: 150, agent: false }, response => {
    response.resume()
    response.once('end', () => resolve(true))
  })
  request.once('timeout', () => request.destroy(new Error('late')))
  request.once('error', () => resolve(false))
})
for (;;) {
  if (await ask()) process.stdout.write(performance.now() + '\\n')
  await new Promise(resolve => setTimeout(resolve, 5))
}
`

/** Asks from the switch of the lab until it is stopped. */
export class GapMeter implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #text: Promise<string>

  private constructor(child: ChildProcess) {
    this.#child = child
    this.#text = textOf(child.stdout!)
  }

  static async start(lab: Lab, address: string): Promise<GapMeter> {
    const prefix = enter(await lab.status(), 'switch')
    const node = [process.execPath, '--input-type=module', '--eval', program, '--', address]
    const [command = '', ...args] = [...prefix, ...node]
    const child = spawn(command, args, { cwd: '/', stdio: ['ignore', 'pipe', 'inherit'] })
    await once(child, 'spawn')
    return new GapMeter(child)
  }

  /** Stops asking, and says what was found. */
  async stop(): Promise<Gaps> {
    this.#child.kill('SIGKILL')
    const moments = (await this.#text).split('\n').filter(Boolean).map(Number)
    const gaps = moments.slice(1).map((moment, at) => moment - moments[at]!)
    const sorted = gaps.toSorted((a, b) => a - b)
    return {
      answers: moments.length,
      longestMs: Math.round(sorted.at(-1) ?? Number.POSITIVE_INFINITY),
      medianMs: Math.round(sorted[Math.floor(sorted.length / 2)] ?? Number.POSITIVE_INFINITY)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#text
  }
}

async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}
