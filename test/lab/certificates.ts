import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from '#shared/process.ts'

const deadlineMs = 120_000

/** An authority of a test, which signs what it is asked to; its files go with it. */
export class Authority implements AsyncDisposable {
  readonly #folder: string
  /** PEM file of its certificate. */
  readonly certificate: string

  constructor(folder: string) {
    this.#folder = folder
    this.certificate = join(folder, 'authority.pem')
  }

  static async make(): Promise<Authority> {
    const folder = await mkdtemp(join(tmpdir(), 'remuda-certificates-'))
    const authority = new Authority(folder)
    await openssl(
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
      ...['-subj', '/CN=authority', '-days', '1', '-keyout', authority.#path('authority', 'key')],
      ...['-out', authority.certificate]
    )
    return authority
  }

  /** Signs a certificate; gives the PEM files of it, of its key, and of both in one. */
  async sign(
    name: string,
    addresses: readonly string[] = []
  ): Promise<{ readonly certificate: string; readonly key: string; readonly both: string }> {
    const [certificate, key, both] = [
      this.#path(name, 'pem'),
      this.#path(name, 'key'),
      this.#path(name, 'both.pem')
    ]
    const names = addresses.map(address => `IP:${address}`).join(',')
    const request = this.#path(name, 'csr')
    const extensions = this.#path(name, 'ext')
    await writeFile(extensions, names === '' ? '' : `subjectAltName=${names}\n`)
    await openssl(
      ...['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
      ...['-subj', `/CN=${name}`, '-keyout', key, '-out', request]
    )
    await openssl(
      ...['x509', '-req', '-in', request, '-CA', this.certificate, '-CAcreateserial'],
      ...['-CAkey', this.#path('authority', 'key'), '-days', '1', '-extfile', extensions],
      ...['-out', certificate]
    )
    await writeFile(both, (await readFile(key, 'utf8')) + (await readFile(certificate, 'utf8')))
    return { certificate, key, both }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true })
  }

  #path(name: string, kind: string): string {
    return join(this.#folder, `${name}.${kind}`)
  }
}

const openssl = (...words: readonly string[]) => run('openssl', words, { deadlineMs })
