import fs from 'node:fs/promises'
import { dirname } from 'node:path'
import { text } from 'node:stream/consumers'
import { Fault } from '#shared/fault.ts'
import type { Invocation } from '../invocation.ts'

/** Reads a text file, or standard input for `-`. */
export async function readText(invocation: Invocation, file: string): Promise<string> {
  if (file === '-') return text(invocation.terminal.input)
  try {
    return await fs.readFile(file, 'utf8')
  } catch (error) {
    throw unreadable(file, error)
  }
}

/** Says why a file cannot be read. */
export function unreadable(file: string, error: unknown): Fault {
  const { code } = error as NodeJS.ErrnoException
  const because =
    code === 'ENOENT' ? 'there is none' : code === 'EISDIR' ? 'it is a folder' : String(code)
  const shown = file === '' ? 'with an empty name' : file
  return new Fault('invalid', `cannot read the file ${shown}: ${because}`, {
    next: [`look where it is: ls -l ${file.startsWith('/') ? dirname(file) : '.'}`]
  })
}
