/**
 * What GRUB reads over TFTP: a script for each machine of the plan, by its UUID and each of its
 * MACs, and the kernels and initial file systems that these name. All of it is made before anybody
 * asks, since dnsmasq only hands out files; so it is brought up to date whenever what a machine
 * would be given has changed. Nothing in it is secret.
 */
import { chmod, copyFile, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ownUuid } from '#shared/hardware-names.ts'
import { ownMac } from '../../core/boot-plan.ts'
import {
  firstGrubScript,
  grubFolder,
  grubImageFolder,
  grubScript,
  unknownGrubFile
} from '../../core/grub-script.ts'
import type { BootOffer, BootOffers } from './boots.ts'
import { fileProblem, type ImageStore } from './images.ts'
import { openFolder, publish } from './publish.ts'

/** Between two readings of its script by a machine that waits. Unit: s. */
const waitS = 5
/** What a boot loader fetches of a version. */
const imageFiles = ['vmlinuz', 'initrd'] as const
const filesAtOnce = 16
/** Such files are small: nobody waits for the end of a look at one. */
const never = new AbortController().signal

/** What GRUB finds lies in these folders below that of TFTP. */
export const grubFolders: readonly string[] = ['grub', 'images']

/** The name of a script, from its path as dnsmasq says it; undefined: it is none of these. */
export const grubScriptName = (path: string): string | undefined =>
  /\/grub\/machines\/([0-9a-z:-]+)\.cfg$/.exec(path)?.[1]

/** The version whose last file that GRUB fetches this is, from its path; undefined: it is none. */
export const grubVersionOf = (path: string): string | undefined =>
  /\/images\/([0-9a-f]+)\/initrd$/.exec(path)?.[1]

/** Keeps these files in the folder of TFTP, which nobody else fills. */
export class GrubFiles {
  readonly #folder: string
  readonly #url: string
  readonly #images: Pick<ImageStore, 'file'>
  /** What was written, by its path below the folder. */
  readonly #scripts = new Map<string, string>()
  /** Versions that have a folder, and those of them whose files are all there. */
  readonly #versions = new Set<string>()
  readonly #whole = new Set<string>()

  private constructor(folder: string, url: string, images: Pick<ImageStore, 'file'>) {
    this.#folder = folder
    this.#url = url
    this.#images = images
  }

  /**
   * Takes on a folder with what an earlier run has left in it, which stays until it is known what
   * machines would be given; `url`: where bootd is, with no slash at the end.
   */
  static async open(
    folder: string,
    given: { readonly url: string; readonly images: Pick<ImageStore, 'file'> }
  ): Promise<GrubFiles> {
    for (const name of grubFolders) await openFolder(join(folder, name))
    await openFolder(join(folder, grubFolder))
    await publish(join(folder, 'grub/grub.cfg'), firstGrubScript(given.url, waitS))
    const files = new GrubFiles(folder, given.url, given.images)
    // Not known to be right, but known: so they are written over, or removed.
    for (const name of await readdir(join(folder, grubFolder))) {
      files.#scripts.set(`${grubFolder}/${name}`, '')
    }
    for (const version of await readdir(join(folder, 'images'))) files.#versions.add(version)
    return files
  }

  /** Makes the files say what machines would be given now; strangers' last of all. */
  async bring({ offers, unknown }: BootOffers): Promise<void> {
    const scripts = new Map<string, string>()
    const versions = new Set<string>()
    const put = (files: readonly string[], offer: Omit<BootOffer, 'names'>): void => {
      const { choice, architecture } = offer
      const arch = architecture === undefined ? {} : { architecture }
      const script = grubScript({ url: this.#url, choice, ...arch })
      for (const file of files) if (!scripts.has(file)) scripts.set(file, script)
      if (choice.gives === 'image') versions.add(choice.version)
    }
    for (const offer of offers) put(offer.names.flatMap(filesOf), offer)
    put([unknownGrubFile], { choice: unknown, architecture: undefined })
    for (const version of versions) await this.#place(version)
    const changed = [...scripts].filter(([file, script]) => this.#scripts.get(file) !== script)
    for (let at = 0; at < changed.length; at += filesAtOnce) {
      const some = changed.slice(at, at + filesAtOnce)
      await Promise.all(some.map(([file, script]) => this.#publish(file, script)))
    }
    for (const file of [...this.#scripts.keys()]) {
      if (scripts.has(file)) continue
      await rm(join(this.#folder, file), { force: true })
      this.#scripts.delete(file)
    }
    for (const version of [...this.#versions]) {
      if (versions.has(version)) continue
      await rm(join(this.#folder, grubImageFolder(version)), { recursive: true, force: true })
      this.#versions.delete(version)
      this.#whole.delete(version)
    }
  }

  async #publish(file: string, script: string): Promise<void> {
    this.#scripts.set(file, '')
    await publish(join(this.#folder, file), script)
    this.#scripts.set(file, script)
  }

  async #place(version: string): Promise<void> {
    if (this.#whole.has(version)) return
    const folder = join(this.#folder, grubImageFolder(version))
    this.#versions.add(version)
    await openFolder(folder)
    for (const name of imageFiles) {
      const stored = this.#images.file(version, name)
      if (!stored) return // It has gone meanwhile: nothing is given of it the next time.
      const [to, part] = [join(folder, name), join(folder, `${name}.part`)]
      if ((await fileProblem(to, stored, never)) === undefined) continue
      await copyFile(stored.path, part)
      await chmod(part, 0o644)
      await rename(part, to)
    }
    this.#whole.add(version)
  }
}

/**
 * The script of this name. Hosts say their UUIDs themselves: what is neither one nor a MAC would be
 * a path of their choice.
 */
const filesOf = (name: string): readonly string[] =>
  ownUuid(name) === name || ownMac(name) === name ? [`${grubFolder}/${name}.cfg`] : []
