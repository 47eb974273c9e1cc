/** Debian's packages inside a host, and what of their files a host has no use for. */
import type { HostImageManifest } from '#shared/model/host-image.ts'

/** Which drivers and firmware an image has. */
export type HostImageProfile = HostImageManifest['profile']

/** Packages of the root, each with what it is for; apt adds what these need. */
export const rootPackages: Readonly<Record<string, string>> = {
  'systemd-sysv': 'the first process',
  udev: 'drivers and names of devices',
  dbus: 'what systemd and libvirt speak through',
  kmod: 'loads drivers',
  procps: 'sysctl, and ps for operators',
  iproute2: 'bridges, taps and addresses',
  'iputils-ping': 'for operators',
  ethtool: 'for operators',
  pciutils: 'lspci, for operators',
  nftables: 'filter and address translation of ports',
  socat: 'tells switches where an instance is that has just started',
  jq: 'reads what bootd gives',
  'openssh-server': 'operators come in by it, with a key',
  'systemd-timesyncd': 'the time',
  'busybox-static': 'the first stage; speaks HTTP to bootd',
  'tpm2-tools': "the TPM that keeps the key of a host's agent",
  'signify-openbsd': 'the first stage checks signatures by it',
  'libstdc++6': 'Node is linked with it',
  'libvirt-daemon-system': 'runs instances',
  'libvirt-daemon-driver-lxc': 'runs containers',
  'libvirt-clients': 'virsh, for operators',
  'qemu-system-x86': 'virtual machines',
  'qemu-utils': 'qemu-img',
  'dnsmasq-base': 'DHCP and DNS of networks',
  xorriso: 'cloud-init seeds',
  e2fsprogs: 'file systems',
  zstd: 'unpacks images of containers',
  lvm2: 'logical volumes',
  'thin-provisioning-tools': 'thin ones',
  'open-iscsi': 'disks of other machines',
  'drbd-utils': 'disks that two hosts hold',
  'nfs-common': 'folders of other machines',
  ipmitool: 'the baseboard controller of this host'
}

/** The package that depends on the kernel of a profile, of which there is always a newest one. */
export const kernelPackages: Readonly<Record<HostImageProfile, string>> = {
  cloud: 'linux-image-cloud-amd64',
  minimal: 'linux-image-amd64',
  full: 'linux-image-amd64'
}

/**
 * Firmware that drivers of the full profile ask for; only the files that they name are taken. That
 * of cards with processors of their own (netronome, cavium, netxen) is as large as all of it.
 */
export const firmwarePackages: readonly string[] = [
  ...['firmware-misc-nonfree', 'firmware-bnx2', 'firmware-bnx2x', 'firmware-qlogic'],
  ...['firmware-myricom', 'firmware-realtek']
]

/** Folders of which a host needs nothing that is in them. */
const emptied = [
  ...['doc', 'man', 'info', 'locale', 'lintian', 'bug', 'i18n', 'iso-codes', 'xml', 'sgml'],
  ...['bash-completion', 'zsh', 'fish', 'common-licenses', 'pixmaps', 'icons', 'applications'],
  ...['perl', 'perl5', 'python3', 'gcc', 'gdb', 'polkit-1/examples', 'debconf', 'zoneinfo/right'],
  ...['zoneinfo/posix', 'X11', 'alsa', 'themes', 'menu', 'doc-base', 'reportbug', 'nano']
].map(folder => `usr/share/${folder}/*`)

/** Paths of the root, as tar takes patterns, that no host needs. */
export const trimmed: readonly string[] = [
  ...emptied,
  // Interpreters that only the installing of packages needed.
  ...['usr/lib/python3*', 'usr/bin/python3*', 'usr/bin/pydoc3*', 'usr/bin/perl*', 'usr/bin/cpan*'],
  ...['usr/lib/*/perl*', 'usr/lib/*/libperl*', 'usr/lib/*/gconv/*', 'usr/lib/*/libpython3*'],
  // What apt and dpkg know; what is installed stays told in var/lib/dpkg/status.
  ...['var/lib/dpkg/info/*', 'var/lib/dpkg/*-old', 'var/lib/apt/*', 'var/cache/apt/*'],
  ...['var/cache/debconf/*', 'var/log/*.log', 'var/log/apt/*', 'boot/*', 'tmp/*', 'var/tmp/*'],
  // Names of devices for people: 20 MiB; pci.ids stays, for lspci.
  ...['usr/lib/udev/hwdb.d/*', 'usr/lib/udev/hwdb.bin', 'etc/udev/hwdb.bin'],
  'usr/share/misc/enterprise-numbers.txt',
  // Machines of 32 bits alone, of which libvirt examines each at its start, and tools of QEMU.
  ...['bin/qemu-system-i386', 'libexec/qemu-system-i386', 'bin/qemu-system-x86_64-microvm'].map(
    path => `usr/${path}`
  ),
  ...['qemu-io', 'qemu-nbd', 'qemu-storage-daemon', 'qemu-pr-helper'].map(
    name => `usr/bin/${name}`
  ),
  // What libvirt can do beside running instances: the agent makes networks and volumes itself, and
  // each of these looks through the machine when libvirt starts.
  ...['interface', 'network', 'nodedev', 'nwfilter', 'secret', 'storage'].map(
    name => `usr/lib/*/libvirt/connection-driver/libvirt_driver_${name}.so`
  ),
  'usr/lib/*/libvirt/storage-backend/*',
  // Machines of other architectures, and one that nobody asks for.
  ...['hppa', 'palcode', 'openbios', 'opensbi', 'skiboot', 'slof', 's390', 'u-boot', 'npcm', 'vof'],
  ...['petalogix', 'canyonlands', 'bamboo', 'QEMU,']
].map(pattern =>
  /^[a-zA-Z0-9,-]+$/.test(pattern) ? `./usr/share/qemu/${pattern}*` : `./${pattern}`
)
