/**
 * Everything that a change must pass: `npm test`, or `npm test -- types unit` for some steps only.
 * It runs to the end whatever fails, says what failed as it happens, and ends with one line that
 * counts: each test, and each other step as one.
 */
import { readFileSync } from 'node:fs'
import { glob } from 'node:fs/promises'
import path from 'node:path'
import { countTests, kindOf, nothing, type Outcome, sum } from './check/ava-output.ts'
import { staleFiles } from './check/generated.ts'
import { runProgram } from './check/program.ts'
import { failedTitles, filesToRepeat } from './check/second-look.ts'

type Step = {
  readonly name: string
  /** What it is, for those who watch. */
  readonly says: string
  /** When everything is run and this much time has gone before it, it is left out, and named. */
  readonly startsWithinMs?: number
  readonly run: () => Promise<Outcome>
}

const root = path.dirname(import.meta.dirname)
const passed: Outcome = { ...nothing, passed: 1 }
const failed: Outcome = { ...nothing, failed: 1 }
const minuteMs = 60_000

const steps: readonly Step[] = [
  {
    name: 'types',
    says: 'types fit together',
    run: () => program('typescript', 'tsc', ['-p', '.'])
  },
  {
    name: 'lint',
    says: 'code is formatted and free of known mistakes',
    run: () => program('@biomejs/biome', 'biome', ['check', '.'])
  },
  {
    name: 'generated',
    says: 'generated files are as their generators write them',
    run: checkGenerated
  },
  {
    name: 'unit',
    says: 'tests that need nothing but this machine',
    run: () => tests(isUnit, ['--concurrency', '2'], 25 * minuteMs)
  },
  {
    name: 'lab',
    says: 'tests with real libvirt, qemu and networks, one after another',
    run: () => tests(isLab, ['--serial', '--concurrency', '1'], 40 * minuteMs)
  },
  {
    name: 'netboot',
    says: 'two machines boot a host image over the network',
    // It takes four minutes on two quiet processors, and the whole must not take more than 30.
    startsWithinMs: 23 * minuteMs,
    run: () => tests(isFirstBoot, ['--serial', '--concurrency', '1'], 55 * minuteMs, isBootLine)
  }
]

async function check(wanted: readonly string[]): Promise<number> {
  const unknown = wanted.filter(name => !steps.some(step => step.name === name))
  if (unknown.length > 0) {
    const known = steps.map(step => step.name).join(', ')
    print(`cannot run ${unknown.join(', ')}: the steps are ${known}`)
    return 2
  }
  const outcomes: Outcome[] = []
  const startedAt = performance.now()
  for (const step of steps) {
    if (wanted.length > 0 && !wanted.includes(step.name)) continue
    const goneMs = performance.now() - startedAt
    if (wanted.length === 0 && goneMs > (step.startsWithinMs ?? Number.POSITIVE_INFINITY)) {
      const minutes = (goneMs / minuteMs).toFixed(0)
      print(`— ${step.name}: left out after ${minutes} min, run it alone: npm test -- ${step.name}`)
      continue
    }
    outcomes.push(await runStep(step))
  }
  const all = sum(outcomes)
  print(`${all.passed} passed, ${all.failed} failed`)
  return all.failed === 0 ? 0 : 1
}

async function runStep(step: Step): Promise<Outcome> {
  print(`— ${step.name}: ${step.says}`)
  const startedAt = performance.now()
  const outcome = await step.run().catch((error: unknown) => {
    print(`  cannot run ${step.name}: ${error instanceof Error ? error.stack : error}`)
    return failed
  })
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  const skipped = outcome.skipped === 0 ? '' : `, ${outcome.skipped} skipped`
  const mark = outcome.failed === 0 ? '✔' : '✘'
  const counts = `${outcome.passed} passed, ${outcome.failed} failed${skipped}`
  print(`${mark} ${step.name}: ${counts}, ${seconds} s`)
  return outcome
}

/** Runs a program of one of our npm packages; it passes when its exit code is 0. */
async function program(name: string, bin: string, args: readonly string[]): Promise<Outcome> {
  const [command, ...before] = binOf(name, bin)
  const code = await runProgram(command, [...before, ...args], {
    deadlineMs: 5 * minuteMs,
    stdout: print,
    stderr: print
  })
  return code === 0 ? passed : failed
}

async function checkGenerated(): Promise<Outcome> {
  const stale = await staleFiles()
  for (const { file, command } of stale) print(`  ${file} is out of date: run ${command}`)
  return stale.length === 0 ? passed : failed
}

const isLab = (file: string): boolean => file.startsWith('test/lab/')
/** Whole machines that boot: one file of them is no matter of many minutes. */
const isFirstBoot = (file: string): boolean => file === 'test/netboot/first-boot.test.ts'
/** The others have a command of their own. */
const isNetboot = (file: string): boolean => file.startsWith('test/netboot/')
/** When each stage of a boot began, and what it took: to be seen also where all is well. */
const isBootLine = (line: string): boolean =>
  /^netboot .* (✓ .* s\)|\((bios|uefi)\):|took)/.test(line)
const isUnit = (file: string): boolean => !isLab(file) && !isNetboot(file)

async function tests(
  wants: (file: string) => boolean,
  args: readonly string[],
  deadlineMs: number,
  isShown: (printed: string) => boolean = () => false
): Promise<Outcome> {
  const files = (await Array.fromAsync(glob('test/**/*.test.ts'))).filter(wants).sort()
  if (files.length === 0) return failed // Files that have gone elsewhere are no success.
  const report: string[] = []
  const said: string[] = []
  const [command, ...before] = binOf('ava', 'ava')
  const code = await runProgram(command, [...before, ...args, ...files], {
    deadlineMs,
    stdout: line => {
      report.push(line)
      // What is shown is what somebody must look at; of failed tests, ava repeats what they said.
      const kind = kindOf(line)
      if (kind !== 'passed' && kind !== 'said') print(line)
    },
    stderr: line => {
      if (isShown(line)) print(line)
      said.push(line)
      if (said.length > printedLinesMax) said.shift()
    }
  })
  const outcome = countTests(report.join('\n'), code)
  if (outcome.failed > 0 && said.length > 0) {
    print(`  The last that tests printed (at most ${printedLinesMax} lines):`)
    for (const line of said) print(`  | ${line}`)
  }
  if (code !== 0) print(`  ava ended with ${code === undefined ? 'a signal' : `exit code ${code}`}`)
  const again = filesToRepeat(report, {
    failed: outcome.failed,
    files,
    textOf: file => readFileSync(file, 'utf8')
  })
  return again ? await secondLook(again, { outcome, titles: failedTitles(report) }) : outcome
}

/** Runs files once more, alone. What passes then is counted as passed, and named. */
async function secondLook(
  files: readonly string[],
  first: { readonly outcome: Outcome; readonly titles: readonly string[] }
): Promise<Outcome> {
  print(`  once more, alone: ${files.join(' ')}`)
  const [command, ...before] = binOf('ava', 'ava')
  const report: string[] = []
  const code = await runProgram(command, [...before, '--serial', '--concurrency', '1', ...files], {
    deadlineMs: 5 * minuteMs,
    stdout: line => report.push(line),
    stderr: () => {}
  })
  const second = countTests(report.join('\n'), code)
  const { outcome, titles } = first
  if (second.failed > 0) {
    for (const line of report.filter(line => kindOf(line) === 'failed')) print(line)
    print('  failed again')
    return outcome
  }
  for (const title of titles) print(`  unsteady: failed, then passed: ${title}`)
  return { ...outcome, passed: outcome.passed + outcome.failed, failed: 0 }
}

/** How much of what tests print themselves is kept for the case that one fails. */
const printedLinesMax = 100

/** How to start a program of an npm package: by our own Node where it is JavaScript. */
function binOf(name: string, bin: string): readonly [string, ...string[]] {
  const folder = path.join(root, 'node_modules', name)
  const { bin: bins } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'))
  return [process.execPath, path.join(folder, typeof bins === 'string' ? bins : bins[bin])]
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

process.chdir(root)
process.exitCode = await check(process.argv.slice(2))
