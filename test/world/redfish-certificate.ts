/** Certificates for services of tests, made by openssl. */
import { X509Certificate } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from '#shared/process.ts'

/** A key with a certificate that it has signed itself, PEM, for 127.0.0.1. */
export type Certificate = {
  readonly key: string
  readonly certificate: string
  /** SHA-256, with colons. */
  readonly fingerprint: string
}

let made: Promise<Certificate> | undefined

/** The certificate of this test file's services; made once. */
export const serviceCertificate = (): Promise<Certificate> => {
  made ??= make()
  return made
}

async function make(): Promise<Certificate> {
  const folder = await mkdtemp(join(tmpdir(), 'remuda-redfish-'))
  try {
    const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')]
    await run(
      'openssl',
      [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
        ...['-days', '2', '-subj', '/CN=bmc', '-addext', 'subjectAltName=IP:127.0.0.1'],
        ...['-keyout', key, '-out', certificate]
      ],
      { deadlineMs: 60_000 }
    )
    const text = await readFile(certificate, 'utf8')
    const { fingerprint256 } = new X509Certificate(text)
    return { key: await readFile(key, 'utf8'), certificate: text, fingerprint: fingerprint256 }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
