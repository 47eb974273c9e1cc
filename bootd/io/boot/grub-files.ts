/**
 * What GRUB reads over TFTP: a script for each machine of the plan, by its UUID and each of its
 * MACs, and the kernels and initial file systems that these name. All of it is made before anybody
 * asks, since dnsmasq only hands out files; so it is brought up to date whenever what a machine
 * would be given has changed. Nothing in it is secret.
 */
import { chmod, copyFile, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  firstGrubScript,
  grubFolder,
  grubImageFolder,
  grubScript,
  unknownGrubFile
} from '../../core/grub-script.ts'
import type { BootOffer } from './boots.ts'
import type { ImageStore } from './images.ts'

/** Between two readings of its script by a machine that waits. Unit: s. */
const waitS = 5
/** What a boot loader fetches of a version. */
const imageFiles = ['vmlinuz', 'initrd'] as const

/** Keeps these files in the folder of TFTP, which nobody else fills. */
export class GrubFiles {
  readonly #folder: string
  readonly #url: string
  readonly #images: Pick<ImageStore, 'file'>
  /** What was written, by its path below the folder. */
  #scripts: ReadonlyMap<string, string> = new Map()
  readonly #versions = new Set<string>()

  private constructor(folder: string, url: string, images: Pick<ImageStore, 'file'>) {
    this.#folder = folder
    this.#url = url
    this.#images = images
  }

  /** Begins anew in a folder; `url`: where bootd is, with no slash at the end. */
  static async open(
    folder: string,
    given: { readonly url: string; readonly images: Pick<ImageStore, 'file'> }
  ): Promise<GrubFiles> {
    for (const name of ['grub', grubFolder, 'images']) {
      await rm(join(folder, name), { recursive: true, force: true })
      await makeFolder(join(folder, name))
    }
    await publish(join(folder, 'grub/grub.cfg'), firstGrubScript(given.url, waitS))
    return new GrubFiles(folder, given.url, given.images)
  }

  /** Makes the files say what machines would be given now. */
  async bring(offers: readonly BootOffer[]): Promise<void> {
    const scripts = new Map<string, string>()
    const versions = new Set<string>()
    for (const { names, choice, architecture } of offers) {
      const arch = architecture === undefined ? {} : { architecture }
      const script = grubScript({ url: this.#url, choice, ...arch })
      const files = names.length === 0 ? [unknownGrubFile] : names.map(fileOf)
      // Of two machines that claim the same name the first counts, as where they ask.
      for (const file of files) if (!scripts.has(file)) scripts.set(file, script)
      if (choice.gives === 'image') versions.add(choice.version)
    }
    for (const version of versions) await this.#place(version)
    for (const [file, script] of scripts) {
      if (this.#scripts.get(file) !== script) await publish(join(this.#folder, file), script)
    }
    for (const file of this.#scripts.keys()) {
      if (!scripts.has(file)) await rm(join(this.#folder, file), { force: true })
    }
    this.#scripts = scripts
    for (const version of [...this.#versions]) {
      if (versions.has(version)) continue
      await rm(join(this.#folder, grubImageFolder(version)), { recursive: true, force: true })
      this.#versions.delete(version)
    }
  }

  async #place(version: string): Promise<void> {
    if (this.#versions.has(version)) return
    const folder = join(this.#folder, grubImageFolder(version))
    await makeFolder(folder)
    for (const name of imageFiles) {
      const stored = this.#images.file(version, name)
      if (!stored) return // It has gone meanwhile: nothing is given of it the next time.
      const [to, part] = [join(folder, name), join(folder, `${name}.part`)]
      await copyFile(stored.path, part)
      await chmod(part, 0o644)
      await rename(part, to)
    }
    this.#versions.add(version)
  }
}

const fileOf = (name: string): string => `${grubFolder}/${name}.cfg`

/** A folder that dnsmasq can read, which gives its rights up. */
async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true })
  await chmod(path, 0o755)
}

/** Writes a file that is never seen half. */
async function publish(path: string, text: string): Promise<void> {
  await writeFile(`${path}.part`, text)
  await chmod(`${path}.part`, 0o644)
  await rename(`${path}.part`, path)
}
