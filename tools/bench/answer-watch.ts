/** Asks an instance over HTTP, from the switch of a lab, and remembers when it answered. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Lab } from '../lab/lab.ts'
import { enter } from '../lab/place.ts'

/** No answer is waited for nearly as long. Unit: ms. */
const waitMsMax = 180_000

/** Asks again and again, and writes a line with the wall clock's time of each answer. */
const program = `
import { get } from 'node:http'
const [host] = process.argv.slice(-1)
const ask = () => new Promise(resolve => {
  const request = get({ host, timeout: 300, agent: false }, response => {
    response.resume()
    response.once('end', () => resolve(true))
  })
  request.once('timeout', () => request.destroy(new Error('late')))
  request.once('error', () => resolve(false))
})
for (;;) {
  if (await ask()) process.stdout.write(Date.now() + '\\n')
  await new Promise(resolve => setTimeout(resolve, 20))
}
`

/** Asks until it is disposed of. */
export class AnswerWatch implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #moments: number[] = []

  private constructor(child: ChildProcess) {
    this.#child = child
    createInterface({ input: child.stdout! }).on('line', line => this.#moments.push(Number(line)))
  }

  static async start(lab: Lab, address: string): Promise<AnswerWatch> {
    const prefix = enter(await lab.status(), 'switch')
    const node = [process.execPath, '--input-type=module', '--eval', program, '--', address]
    const [command = '', ...args] = [...prefix, ...node]
    return new AnswerWatch(spawn(command, args, { cwd: '/', stdio: ['ignore', 'pipe', 'inherit'] }))
  }

  /** When it answered first after a moment of the wall clock; waits until it does. */
  async answersAfter(moment: number): Promise<number> {
    const late = performance.now() + waitMsMax
    for (;;) {
      const found = this.#moments.find(at => at > moment)
      if (found !== undefined) return found
      if (performance.now() > late) throw new Error(`no answer within ${waitMsMax} ms`)
      await sleep(20)
    }
  }

  /** When it answered last before a moment; NaN: it never did. */
  lastBefore(moment: number): number {
    return this.#moments.findLast(at => at < moment) ?? Number.NaN
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise(resolve => this.#child.once('exit', resolve))
    if (this.#child.kill('SIGKILL')) await ended
  }
}
