/** Asks the keeper of a lab. */
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { Fault } from '#shared/fault.ts'
import { codeOf } from '#shared/files.ts'
import { folderOf } from './folder.ts'
import type { Ask, LabStatus, Reply } from './protocol.ts'

/** The longest that anything takes: switching a host on, on a busy machine. Unit: ms. */
const answerMsMax = 120_000

/** Asks one thing. Faults: of the keeper; `unavailable`: there is no lab, or it has just ended. */
export async function askKeeper(folder: string, ask: Ask): Promise<unknown> {
  const line = await exchange(folder, JSON.stringify(ask))
  const reply = JSON.parse(line) as Reply
  if ('ok' in reply) return reply.ok
  const { code, message, reasons, next } = reply.fault
  throw new Fault(code, message, { reasons, next })
}

/** How the lab is. */
export const statusOf = async (folder: string): Promise<LabStatus> =>
  (await askKeeper(folder, { verb: 'status' })) as LabStatus

async function exchange(folder: string, line: string): Promise<string> {
  const socket = connect(folderOf(folder).socket)
  const timer = setTimeout(() => {
    socket.destroy(new Fault('deadline', `the keeper of the lab in ${folder} does not answer`))
  }, answerMsMax)
  try {
    return await new Promise<string>((resolve, reject) => {
      socket.once('error', thrown => reject(explain(folder, thrown)))
      socket.once('close', () => {
        reject(new Fault('unavailable', `the lab in ${folder} has ended`))
      })
      createInterface({ input: socket })
        .on('error', () => {})
        .once('line', resolve)
      socket.write(`${line}\n`)
    })
  } finally {
    clearTimeout(timer)
    socket.destroy()
  }
}

function explain(folder: string, thrown: unknown): unknown {
  if (!['ENOENT', 'ECONNREFUSED'].includes(codeOf(thrown) ?? '')) return thrown
  return new Fault('unavailable', `cannot find a lab in ${folder}: no keeper answers`, {
    cause: thrown,
    next: ['remuda lab up', 'another folder is named with --state or REMUDA_LAB']
  })
}
