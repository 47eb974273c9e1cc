import test from 'ava'
import { nicenessOf, processorsOf } from '../../../tools/lab/keeper/machine.ts'

/** Weights of the kernel's scheduler; that of niceness 0 is 1024. */
const weights = [
  [1, 0, 1024],
  [3, -5, 3121],
  [5, -7, 4904],
  [10, -10, 9548],
  [1_000, -20, 88761]
] as const

for (const [share, niceness, weight] of weights) {
  test(`the time of ${share} processes is niceness ${niceness}, weight ${weight}`, t => {
    t.is(nicenessOf(share), niceness)
  })
}

for (const [machines, here, processors] of [
  [1, 1, 1],
  [1, 2, 2],
  [2, 2, 1],
  [2, 4, 2],
  [3, 8, 2],
  [8, 2, 1],
  [0, 2, 2]
] as const) {
  test(`of ${machines} machines on ${here} processors each has ${processors}`, t => {
    t.is(processorsOf(machines, here), processors)
  })
}
