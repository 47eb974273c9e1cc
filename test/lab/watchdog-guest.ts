/**
 * What runs in the guest of watchdog.test.ts: opens the watchdog as the agent does, pets it for a
 * while, and dies without a word to it. Each line begins with the guest's own time in seconds.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { KernelWatchdog } from '../../agent/io/watchdog.ts'

const petsMs = 1_000
const pets = 8

const say = (what: string, value: unknown = ''): void => {
  const [uptime] = readFileSync('/proc/uptime', 'utf8').split(' ')
  process.stdout.write(`${uptime} ${what} ${JSON.stringify(value)}\n`)
}

const watchdog = new KernelWatchdog()
say('FOUND', await watchdog.look())
say('OPENED', await watchdog.open())
for (let pet = 0; pet < pets; pet++) {
  await wait(petsMs)
  watchdog.pet()
  say('PET')
}
process.kill(process.pid, 'SIGKILL')
