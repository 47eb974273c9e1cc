/** Runs seeds for the process that has started this one, one after another. */
import { type LeanWish, runLean } from './run.ts'

process.on('message', wish => {
  const before = process.cpuUsage()
  const finding = runLean(wish as LeanWish)
  const { user, system } = process.cpuUsage(before)
  process.send!({ ...finding, cpuMs: (user + system) / 1_000 })
})
