/** Configuration of a lab host's libvirt. */
import { folderOf } from '../folder.ts'
import type { HostPlan, LabPlan } from '../plan.ts'

/** Where a host has its certificates, as it sees them itself. */
export const certificateFolder = '/etc/libvirt/pki'

/**
 * What libvirtd is told: who the host is, that root inside needs no further proof, and that other
 * hosts of the lab may send instances.
 */
export const libvirtdConf = ({ uuid }: HostPlan): string => `host_uuid = "${uuid}"
auth_unix_rw = "none"
listen_tls = 1
listen_tcp = 0
ca_file = "${certificateFolder}/cacert.pem"
cert_file = "${certificateFolder}/servercert.pem"
key_file = "${certificateFolder}/serverkey.pem"
`

/** A program that asks the keeper for a power cycle; its own end is the answer. */
export const rebootProgram = (socket: string, host: string): string => `#!${process.execPath}
const line = JSON.stringify({ verb: 'power', host: '${host}', to: 'cycle' })
const socket = require('node:net').connect('${socket}')
socket.write(line + '\\n')
socket.once('data', () => process.exit(0))
socket.once('error', thrown => { throw thrown })
`

/**
 * What its qemu driver is told. The emulator runs as root and nobody changes the owner of files, so
 * that a volume in the shared pool can be open on two hosts while an instance moves.
 */
export const qemuConf = ({ locks }: LabPlan): string => `user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
cgroup_controllers = []
migrate_tls_x509_cert_dir = "${certificateFolder}"
migrate_tls_x509_verify = 1
${locks ? 'lock_manager = "lockd"\n' : ''}`

/** Where its virtlockd holds the locks of disks, if it has one. */
export const lockConf = ({ folder }: LabPlan): string =>
  `file_lockspace_dir = "${folderOf(folder).locks}"\n`
