import Type from 'typebox'
import { Fault } from '#shared/fault.ts'
import { Strict } from '#shared/model/resource.ts'
import { validator } from '#shared/model/validate.ts'
import { readPrivateFile, writePrivateFile } from '#shared/private-file.ts'

const Admission = Strict({
  cloud: Type.String({ minLength: 1, maxLength: 256 }),
  /** Public keys of the controllers that may dial this agent, Z85. */
  controllerKeys: Type.Array(Type.String({ minLength: 40, maxLength: 40 }), { maxItems: 16 }),
  /** The cloud's public key, pinned at the join: Ed25519, base64url. */
  cloudKey: Type.Optional(Type.String({ minLength: 43, maxLength: 43 }))
})

/** What a host was told when it was approved. */
export type Admission = {
  readonly cloud: string
  readonly controllerKeys: readonly string[]
  readonly cloudKey?: string
}

const check = validator(Admission)

/**
 * Reads the admission of this host; undefined: it was never approved. Fault `forbidden` when others
 * could read or write the file, `corrupt` when it holds something else.
 */
export async function readAdmission(path: string): Promise<Admission | undefined> {
  const text = await readPrivateFile(path)
  if (text === undefined) return undefined
  const value = parse(text)
  const [problem] = check(value)
  if (problem === undefined) return value as Admission
  throw new Fault('corrupt', `cannot use the admission in ${path}: it holds something else`, {
    reasons: [`${problem.pointer || 'it'} ${problem.detail}`],
    next: [`remove ${path}; the host then asks to be let in again`]
  })
}

/** Keeps the admission of this host, where it was before too. */
export async function writeAdmission(path: string, admission: Admission): Promise<void> {
  await writePrivateFile(path, `${JSON.stringify(admission)}\n`)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
