/** Plays one cloud in a thread of its own. */
import { parentPort, workerData } from 'node:worker_threads'
import { type Task, tallyOf } from './tally.ts'

parentPort?.postMessage(tallyOf(workerData as Task))
