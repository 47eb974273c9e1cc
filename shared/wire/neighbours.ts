/**
 * What daemons on one machine leave for each other in the state folder: the controller, whose keys
 * bootd shall let in; bootd, where it listens and with which key. The folder is the operator's own,
 * so what is in it is believed.
 */
import { join } from 'node:path'
import Type from 'typebox'
import { Strict } from '../model/resource.ts'
import { validator } from '../model/validate.ts'
import { readPrivateFile, writePrivateFile } from '../private-file.ts'

const Key = Type.String({ minLength: 40, maxLength: 40 })
const Controllers = Strict({ keys: Type.Array(Key, { maxItems: 16 }) })
const Bootd = Strict({ endpoint: Type.String({ maxLength: 256 }), publicKey: Key })

type Controllers = Type.Static<typeof Controllers>
type Bootd = Type.Static<typeof Bootd>

const files = { controllers: 'controllers.json', bootd: 'bootd.json' } as const
const checks = { controllers: validator(Controllers), bootd: validator(Bootd) }
type Words = { readonly controllers: Controllers; readonly bootd: Bootd }

/** Leaves word; whoever reads gets the old one or the new one, whole. */
export async function leaveWord<Name extends keyof Words>(
  state: string,
  name: Name,
  word: Words[Name]
): Promise<void> {
  await writePrivateFile(join(state, 'run', files[name]), `${JSON.stringify(word)}\n`)
}

/** Reads what a neighbour has left; undefined: nothing that can be used. */
export async function readWord<Name extends keyof Words>(
  state: string,
  name: Name
): Promise<Words[Name] | undefined> {
  try {
    const text = await readPrivateFile(join(state, 'run', files[name]))
    const value: unknown = text === undefined ? undefined : JSON.parse(text)
    return value !== undefined && checks[name](value).length === 0
      ? (value as Words[Name])
      : undefined
  } catch {
    return undefined // it is half made, or not ours: looked at again later
  }
}
