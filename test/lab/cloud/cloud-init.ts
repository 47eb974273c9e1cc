/**
 * Runs Debian's own cloud-init as a container would that had it: in the network of the container,
 * so that it calls from there, and with the seed that the container was given. All that it keeps
 * is in memory of its own that goes with it, and of its modules only the one that is asked for
 * runs.
 */
import type { Cloud, Ended } from './cloud.ts'

/** Its arguments: the process that libvirt keeps for the container, and the module. */
const program = `
set -eu
init=$(cut -d' ' -f1 "/proc/$1/task/$1/children")
for folder in /etc/cloud /var/lib /var/log /run; do mount -t tmpfs tmpfs "$folder"; done
mkdir -p /var/lib/cloud/seed /run/lock
cp -r "/proc/$init/root/var/lib/cloud/seed/nocloud" /var/lib/cloud/seed/
cat >/etc/cloud/cloud.cfg <<'end'
datasource_list: [NoCloud, None]
network: {config: disabled}
cloud_init_modules: []
system_info: {distro: debian}
end
nsenter --net="/proc/$init/ns/net" cloud-init --debug init 2>&1
nsenter --net="/proc/$init/ns/net" cloud-init --debug single --name "$2" 2>&1
`

/** Runs a module by what the seed of a container says, and gives what was logged. */
export async function runCloudInit(
  cloud: Cloud,
  given: { readonly container: string; readonly module: string }
): Promise<Ended> {
  const { container, module } = given
  const leader = await cloud.virsh('lxc', 'domid', `default.${container}`)
  const own = ['unshare', '--mount', '--uts', '--propagation', 'private']
  return await cloud.inside([...own, 'sh', '-c', program, 'cloud-init', leader, module])
}
