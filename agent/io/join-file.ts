/** What `remuda-agent join` leaves for the agent: whom to ask to be let in, and with what. */
import { join } from 'node:path'
import Type from 'typebox'
import { Fault } from '#shared/fault.ts'
import { Strict } from '#shared/model/resource.ts'
import { validator } from '#shared/model/validate.ts'
import { readPrivateFile, writePrivateFile } from '#shared/private-file.ts'
import { JoinTokenContent } from '#shared/wire/join-token.ts'

const { secret, ...lasting } = JoinTokenContent.properties
const JoinFile = Strict({ ...lasting, secret: Type.Optional(secret) })

/** As the token said it; the secret is forgotten once the host is let in. */
export type JoinFile = Omit<JoinTokenContent, 'secret'> & { readonly secret?: string }

const check = validator(JoinFile)

/** Where it is. */
export const joinFileOf = (state: string): string => join(state, 'agent', 'join.json')

/** Reads it; undefined: there is none. Fault `forbidden` or `corrupt` when it cannot be used. */
export async function readJoinFile(path: string): Promise<JoinFile | undefined> {
  const text = await readPrivateFile(path)
  if (text === undefined) return undefined
  const value = parse(text)
  if (check(value).length === 0) return value as JoinFile
  throw new Fault('corrupt', `cannot use ${path}: it holds something else`, {
    next: ['remuda-agent join TOKEN']
  })
}

/** Writes it, mode 0600, over one that is there. */
export const writeJoinFile = (path: string, file: JoinFile): Promise<void> =>
  writePrivateFile(path, `${JSON.stringify(file)}\n`)

/** Forgets the secret in it. */
export async function forgetSecret(path: string): Promise<void> {
  const file = await readJoinFile(path)
  if (file?.secret === undefined) return
  const { secret: _, ...rest } = file
  await writeJoinFile(path, rest)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
