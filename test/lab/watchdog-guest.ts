/**
 * What runs in the guest of watchdog.test.ts: opens the watchdog as the agent does, pets it for a
 * while, waits, and dies without a word to it, alone or with who holds it open for it. Each line
 * begins with the guest's own time in seconds.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { KernelWatchdog } from '../../agent/io/watchdog.ts'

const petsMs = 1_000
const pets = 8
/** Less than its time: were it pet as we die, that would put its bite off by so much. */
const waitsMs = 3_000

const say = (what: string, value: unknown = ''): void => {
  const [uptime] = readFileSync('/proc/uptime', 'utf8').split(' ')
  process.stdout.write(`${uptime} ${what} ${JSON.stringify(value)}\n`)
}

const watchdog = new KernelWatchdog()
say('FOUND', await watchdog.look())
say('OPENED', await watchdog.open(() => 60_000))
for (let pet = 0; pet < pets; pet++) {
  await wait(petsMs)
  watchdog.pet(() => petsMs)
  say('PET')
}
const keeper = readdirSync('/proc').find(
  pid => /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('sh\0-c\0')
)
say('KEPT', Number(readFileSync(`/proc/${keeper}/oom_score_adj`, 'utf8')))
await wait(waitsMs)
if (process.argv[2] === 'both') process.kill(Number(keeper), 'SIGKILL')
process.kill(process.pid, 'SIGKILL')
