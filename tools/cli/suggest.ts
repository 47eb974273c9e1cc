/** Finds the word that was perhaps meant, or undefined when none is near enough. */
export function closest(typed: string, words: Iterable<string>): string | undefined {
  let best: string | undefined
  let least = Math.max(1, Math.floor(typed.length / 3)) + 1
  for (const word of words) {
    const steps = typed.length > 1 && word.startsWith(typed) ? 1 : distance(typed, word)
    if (steps < least) {
      best = word
      least = steps
    }
  }
  return best
}

/**
 * Counts the slips of a finger between two words: a letter left out, put in, exchanged for another
 * or swapped with its neighbour (the restricted Damerau-Levenshtein distance).
 */
export function distance(from: string, to: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (let row = 1; row <= from.length; row++) {
    const current = [row]
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1]
      let least = Math.min(
        last[column]! + 1,
        current[column - 1]! + 1,
        last[column - 1]! + (same ? 0 : 1)
      )
      const swapped =
        row > 1 &&
        column > 1 &&
        from[row - 1] === to[column - 2] &&
        from[row - 2] === to[column - 1]
      if (swapped) least = Math.min(least, beforeLast[column - 2]! + 1)
      current.push(least)
    }
    beforeLast = last
    last = current
  }
  return last[to.length]!
}
