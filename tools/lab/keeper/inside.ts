/**
 * What runs as the first process of a host. It shows the host its own part of the file system, then
 * takes orders from its standard input: shell commands, written by the keeper alone. When that
 * ends, for whatever reason, so does the first process, and the kernel ends all that runs in there.
 * Being a shell that waits, it reaps what is left without a parent, or libvirt would wait 40 s for
 * each emulator that it has killed.
 *
 * To its file descriptor 3 it says `up` when it is ready, and for each daemon `began NAME PID` and
 * `ended NAME CODE`.
 *
 *  - libvirt's LXC driver needs version 1 of cgroups alone where both are mounted. It goes by the
 *    list of mounts, so what is hidden below another mount must go as well.
 *  - /run/lock must exist, or no console of a virtual machine can be opened.
 *  - /dev is the host's own, without /dev/kvm unless it is wanted: one that exists but does not
 *    work costs each agent seconds and libvirt a minute.
 *  - libvirt moves what is mounted below /dev for each emulator, and fails where that was mounted
 *    twice.
 *  - Every host sees its own state where the machine has its own, or an empty folder.
 *  - Another QEMU, if one is wanted, lies where the machine has its own.
 *  - The boot id that the kernel tells is the host's own as well.
 */
import { qemuPaths } from '../../qemu/home.ts'

/** The script of a host's first process, for bash; its words are those of `LabHost`. */
export const inside = `
set -eu
folder=$1
name=$2
controllers=$3
kvm=$4
qemu=$5
mount --make-rprivate /
hostname "$name"
mount -t proc proc /proc
if [ "$qemu" ]; then
  for path in ${qemuPaths.join(' ')}; do
    mount --bind "$qemu/$path" "/$path"
  done
fi
mount --bind "$folder/boot-id" /proc/sys/kernel/random/boot_id
umount -R -l /sys
mount -t sysfs sysfs /sys
if [ "$controllers" ]; then
  mount -t tmpfs -o size=1m cgroups /sys/fs/cgroup
  for names in $controllers; do
    mkdir "/sys/fs/cgroup/$names"
    mount -t cgroup -o "$names" cgroup "/sys/fs/cgroup/$names"
  done
else
  mount -t cgroup2 cgroup /sys/fs/cgroup
  mkdir -p /sys/fs/cgroup/init
  echo 1 >/sys/fs/cgroup/init/cgroup.procs
fi
devices=$folder/dev
mount -t tmpfs -o mode=755,size=256k devices "$devices"
mkdir "$devices/pts" "$devices/shm" "$devices/net" "$devices/mapper"
[ "$kvm" = no ] || [ ! -e /dev/kvm ] || cp -a /dev/kvm "$devices/"
for device in null zero full random urandom tty fuse loop-control net/tun; do
  [ ! -e "/dev/$device" ] || cp -a "/dev/$device" "$devices/$device"
done
for device in /dev/loop[0-9]*; do [ ! -e "$device" ] || cp -a "$device" "$devices/"; done
ln -s /proc/self/fd "$devices/fd"
ln -s /proc/self/fd/0 "$devices/stdin"
ln -s /proc/self/fd/1 "$devices/stdout"
ln -s /proc/self/fd/2 "$devices/stderr"
ln -s pts/ptmx "$devices/ptmx"
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts "$devices/pts"
mount -t tmpfs -o mode=1777 shm "$devices/shm"
grep -o ' /dev[^ ]* ' /proc/mounts | sort -r | while read -r mounted; do
  umount -l "$mounted"
done
mount --move "$devices" /dev
if [ -f /etc/resolv.conf ] && [ ! -L /etc/resolv.conf ]; then
  mount --bind "$folder/etc/resolv.conf" /etc/resolv.conf
fi
mount --bind "$folder/etc/hosts" /etc/hosts
mount --bind "$folder/etc/hostname" /etc/hostname
mount --bind "$folder/libvirt" /var/lib/libvirt
mount --bind "$folder/libvirt-log" /var/log/libvirt
mount --bind "$folder/libvirt-cache" /var/cache/libvirt
mount --bind "$folder/libvirt-etc" /etc/libvirt
for attempt in 1 2 3 4 5; do
  mkdir -p -m 711 /var/lib/remuda # another lab may just have removed it
  mount --bind "$folder/state" /var/lib/remuda && break
  [ $attempt != 5 ]
done
mount --bind "$folder/run" /run
launch() {
  daemon=$1
  shift
  (
    "$@" >>"$folder/log/$daemon.log" 2>&1 3>&- &
    echo "began $daemon $!" >&3
    code=0
    wait $! || code=$?
    echo "ended $daemon $code" >&3
  ) </dev/null &
}
signal() { kill "-$1" "$2" 2>/dev/null || :; }
ip link set lo up
echo up >&3
while read -r order; do
  eval "$order"
done
`

/** Writes a command with its arguments as a shell reads it. */
export const quoteAll = (words: readonly string[]): string =>
  words.map(word => `'${word.replaceAll("'", "'\\''")}'`).join(' ')
