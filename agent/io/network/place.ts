import { type Output, run } from '#shared/process.ts'

/** Where network commands act: the host's own network namespace or a named one, as in the lab. */
export type Place = {
  /** Put before a command, so that it runs there. */
  readonly prefix: readonly string[]
  readonly run: (
    command: string,
    args: readonly string[],
    input?: string | Uint8Array | undefined
  ) => Promise<Output>
}

/** No network command takes longer. */
const deadlineMs = 20_000

/** Names the place; a namespace is one of `ip netns`. */
export function placeIn(netns: string | undefined): Place {
  const prefix = netns === undefined ? [] : ['nsenter', `--net=/run/netns/${netns}`, '--']
  return {
    prefix,
    run: (command, args, input) => {
      const [first = command, ...rest] = [...prefix, command, ...args]
      return run(first, rest, { deadlineMs, ...(input !== undefined && { input }) })
    }
  }
}
