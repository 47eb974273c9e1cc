/**
 * Whom this host believes. It has pinned the public key of its cloud at its join, keeps the newest
 * list of candidates that was signed with it, and lets in exactly the keys of that list. A list
 * that is older, of another cloud, or signed by somebody else changes nothing, whoever brings it.
 *
 * Until there is a list, as in the first second of a cloud, the door's word holds.
 */
import { Fault, isFault, sentence } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import { validator } from '#shared/model/validate.ts'
import { readPrivateFile, writePrivateFile } from '#shared/private-file.ts'
import { isSignedBy, SignedBootstrap } from '#shared/wire/bootstrap.ts'
import { type Admission, readAdmission, writeAdmission } from './admission.ts'
import type { DoorAddress } from './door.ts'

const check = validator(SignedBootstrap)

/** Where it is kept, and who is told of changes. */
export type TrustOptions = {
  readonly admissionFile: string
  readonly bootstrapFile: string
  /** UUID of this host. */
  readonly host: string
  readonly log: Log
}

/** What became of a list that somebody brought. */
export type Taken = 'taken' | 'known' | 'refused'

/** Made by `open`, which reads what was kept. */
export class Trust {
  readonly #options: TrustOptions
  #admission: Admission | undefined
  #signed: SignedBootstrap | undefined
  #changed: (keys: readonly string[]) => Promise<void> = async () => {}
  #writing: Promise<unknown> = Promise.resolve()
  #refused = 0

  private constructor(options: TrustOptions) {
    this.#options = options
  }

  /** Reads what was kept; Fault `forbidden` or `corrupt` when the admission cannot be used. */
  static async open(options: TrustOptions): Promise<Trust> {
    const trust = new Trust(options)
    trust.#admission = await readAdmission(options.admissionFile)
    trust.#signed = await trust.#readKept()
    return trust
  }

  /** CURVE keys of those who may dial this host. */
  get keys(): readonly string[] {
    if (this.#signed === undefined) return this.#admission?.controllerKeys ?? []
    return this.#signed.bootstrap.candidates.map(({ meshKey }) => meshKey)
  }

  /** The cloud that this host belongs to, and the key that its lists are signed with. */
  get cloud(): string | undefined {
    return this.#admission?.cloud
  }
  get cloudKey(): string | undefined {
    return this.#admission?.cloudKey
  }

  /** Doors of all candidates of the kept list. */
  get doors(): readonly DoorAddress[] {
    return (this.#signed?.bootstrap.candidates ?? [])
      .filter(({ doorEndpoint }) => doorEndpoint !== '')
      .map(({ doorEndpoint, doorKey }) => ({ endpoint: doorEndpoint, publicKey: doorKey }))
  }

  /** Version of the kept list; 0: there is none. */
  get version(): number {
    return this.#signed?.bootstrap.version ?? 0
  }

  /** Instances, by id, that this host may start before any controller is there. */
  get services(): ReadonlySet<string> {
    const all = this.#signed?.bootstrap.services ?? []
    const own = all.filter(({ host }) => host === this.#options.host)
    return new Set(own.map(({ instance }) => instance))
  }

  /** How many lists were refused. */
  get refused(): number {
    return this.#refused
  }

  /** Has the keys told whenever they may have changed. */
  onChanged(changed: (keys: readonly string[]) => Promise<void>): void {
    this.#changed = changed
  }

  /** A door has let this host in; the list that came with it counts as any other. */
  async admitted(admission: Admission, signed?: SignedBootstrap): Promise<void> {
    const cloudKey = this.cloudKey ?? admission.cloudKey
    this.#admission = { ...admission, ...(cloudKey !== undefined && { cloudKey }) }
    if (signed !== undefined) await this.take(signed)
    await this.#changed(this.keys)
  }

  /**
   * Takes a list that is rightly signed and newer, once it is on disk. A host that has pinned no
   * key yet, since its cloud had none, pins the one that its controller names.
   */
  async take(signed: SignedBootstrap, cloudKey?: string): Promise<Taken> {
    const taking = this.#writing.catch(() => {}).then(() => this.#take(signed, cloudKey))
    this.#writing = taking
    return await taking
  }

  async #take(signed: SignedBootstrap, cloudKey: string | undefined): Promise<Taken> {
    const { bootstrapFile, admissionFile, log } = this.#options
    const admission = this.#admission
    if (admission === undefined) return this.#refuse('this host belongs to no cloud yet')
    const key = admission.cloudKey ?? cloudKey
    const { version, cloud } = signed.bootstrap
    if (cloud !== admission.cloud) return this.#refuse(`it is of cloud ${cloud}`)
    if (key === undefined || !isSignedBy(key, signed)) {
      return this.#refuse('it is not signed with the key of this cloud')
    }
    if (version === this.version) return 'known'
    if (version < this.version) {
      return this.#refuse(`it has version ${version}, version ${this.version} is known`)
    }
    await writePrivateFile(bootstrapFile, `${JSON.stringify(signed)}\n`)
    if (admission.cloudKey === undefined) {
      this.#admission = { ...admission, cloudKey: key }
      await writeAdmission(admissionFile, this.#admission)
    }
    this.#signed = signed
    const candidates = signed.bootstrap.candidates.map(({ name }) => name)
    log.info('list of candidates taken on', { version, candidates })
    await this.#changed(this.keys)
    return 'taken'
  }

  #refuse(because: string): 'refused' {
    this.#refused++
    this.#options.log.warn('list of candidates refused', { because })
    return 'refused'
  }

  /** A kept list that cannot be used is none: a door or a controller brings another one. */
  async #readKept(): Promise<SignedBootstrap | undefined> {
    const { bootstrapFile, log } = this.#options
    try {
      const text = await readPrivateFile(bootstrapFile)
      const cloudKey = this.#admission?.cloudKey
      if (text === undefined || cloudKey === undefined) return undefined
      const value = parse(text)
      const [problem] = check(value)
      const signed = value as SignedBootstrap
      if (problem === undefined && isSignedBy(cloudKey, signed)) return signed
      const because = problem ? `${problem.pointer} ${problem.detail}` : 'its signature is wrong'
      throw new Fault('corrupt', `cannot use ${bootstrapFile}: ${because}`)
    } catch (thrown) {
      if (!isFault(thrown)) throw thrown
      log.error('kept list of candidates cannot be used', { because: sentence(thrown) })
      return undefined
    }
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
