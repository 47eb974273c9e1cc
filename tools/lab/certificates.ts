/**
 * Certificates by which the libvirts of a lab know each other, and their emulators: an authority of
 * the lab's own, and one certificate for each host, for both sides of a connection. libvirt and
 * QEMU want the same files under different names.
 */
import { chmod, copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { exists } from '#shared/files.ts'
import { run } from '#shared/process.ts'

/** Long enough for any lab. Unit: days. */
const validDays = 3_650
/** openssl needs some milliseconds. Unit: ms. */
const deadlineMs = 30_000

const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

/** Makes the authority in a folder, once. */
export async function makeAuthority(folder: string): Promise<void> {
  if (await exists(join(folder, 'ca.pem'))) return
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const made = ['-keyout', join(folder, 'ca.key'), '-out', join(folder, 'ca.new')]
  const usage = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign']
  await request([...key, ...made, '-subj', '/CN=lab', ...usage.flatMap(each => ['-addext', each])])
  await copyFile(join(folder, 'ca.new'), join(folder, 'ca.pem'))
}

/** Names of the certificate and its key, for either side, as libvirt and as QEMU call them. */
const names = [
  ['servercert.pem', 'serverkey.pem'],
  ['clientcert.pem', 'clientkey.pem'],
  ['server-cert.pem', 'server-key.pem'],
  ['client-cert.pem', 'client-key.pem']
] as const

/** Puts a host's certificate, and that of the authority, into a folder of the host, once. */
export async function issueCertificate(
  authority: string,
  host: { readonly name: string; readonly address: string; readonly folder: string }
): Promise<void> {
  const { folder, name, address } = host
  const last = join(folder, names.at(-1)![1])
  if (await exists(last)) return
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const [certificate, secret] = [join(folder, 'host.pem'), join(folder, 'host.key')]
  const signer = ['-CA', join(authority, 'ca.pem'), '-CAkey', join(authority, 'ca.key')]
  const usage = [
    'basicConstraints=critical,CA:FALSE',
    'keyUsage=critical,digitalSignature,keyEncipherment',
    'extendedKeyUsage=serverAuth,clientAuth',
    `subjectAltName=DNS:${name},IP:${address}`
  ]
  const made = ['-keyout', secret, '-out', certificate, '-subj', `/CN=${name}`]
  await request([...key, ...signer, ...made, ...usage.flatMap(each => ['-addext', each])])
  for (const file of ['cacert.pem', 'ca-cert.pem']) {
    await copyFile(join(authority, 'ca.pem'), join(folder, file))
  }
  await chmod(secret, 0o600)
  for (const [forCertificate, forKey] of names) {
    await copyFile(certificate, join(folder, forCertificate))
    await copyFile(secret, join(folder, forKey))
  }
}

const request = (args: readonly string[]) =>
  run('openssl', ['req', '-x509', '-days', String(validDays), ...args], { deadlineMs })
