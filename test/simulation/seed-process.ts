/** One of the processes of a batch: runs each seed that it is sent, and says what came of it. */
import { runSeed, type Wish } from './run.ts'

process.on('message', wish => {
  void runSeed(wish as Wish).then(finding => process.send?.(finding))
})
