/** Configuration of a lab host's libvirt. */
import type { HostPlan } from '../plan.ts'

/** What libvirtd is told: who the host is, and that root inside needs no further proof. */
export const libvirtdConf = ({ uuid }: HostPlan): string => `host_uuid = "${uuid}"
auth_unix_rw = "none"
`

/**
 * What its qemu driver is told. The emulator runs as root and nobody changes the owner of files, so
 * that a volume in the shared pool can be open on two hosts while an instance moves.
 */
export const qemuConf = `user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
cgroup_controllers = []
`
