#!/bin/sh
# Run in a machine that has booted the host image, with three more interfaces on one segment, eth1 to
# eth3, and the port of an iSCSI target at 10.0.2.2: tries what hosts of metal stand on, and says a
# line for each thing that works.
set -eu
PATH=$PATH:/usr/lib/drbd
portal=10.0.2.2:$1
target=$2
cd /run
sized() { truncate -s "$2" "/run/$1" && losetup --find --show "/run/$1"; }

# Two interfaces as one, and a VLAN on that; the other end is a namespace with the third.
modprobe bonding max_bonds=0
ip link add bond0 type bond mode active-backup miimon 100
for each in eth1 eth2; do ip link set $each down && ip link set $each master bond0; done
ip link set bond0 up
ip link add link bond0 name bond0.7 type vlan id 7
ip addr add 10.7.0.1/24 dev bond0.7
ip link set bond0.7 up
ip netns add far
ip link set eth3 netns far
ip -n far link set eth3 up
ip -n far link add link eth3 name eth3.7 type vlan id 7
ip -n far addr add 10.7.0.2/24 dev eth3.7
ip -n far link set eth3.7 up
ping -q -c 2 -W 20 10.7.0.2 >/dev/null && echo 'VLAN over a bond'
active=$(cat /sys/class/net/bond0/bonding/active_slave)
ip link set "$active" down
ping -q -c 5 -W 20 10.7.0.2 >/dev/null
[ "$(cat /sys/class/net/bond0/bonding/active_slave)" != "$active" ] && echo 'the bond without one of its two'
ip -n far link del eth3.7
ip -n far link add link eth3 name eth3.8 type vlan id 8
ip -n far addr add 10.7.0.2/24 dev eth3.8
ip -n far link set eth3.8 up
ip neigh flush dev bond0.7
ping -q -c 2 -W 2 10.7.0.2 >/dev/null || echo 'nothing from another VLAN'

# A thin pool, a volume larger than it, a snapshot that keeps what was.
disk=$(sized thin.img 192M)
vgcreate -qq vg "$disk"
lvcreate -qq --type thin-pool -L 128M -n pool vg
lvcreate -qq --type thin -V 1G --thinpool pool -n one vg 2>/dev/null
mkfs.ext4 -q -E nodiscard /dev/vg/one
mkdir -p /run/one
mount /dev/vg/one /run/one
echo before >/run/one/word
sync
lvcreate -qq --snapshot -n kept vg/one 2>/dev/null
echo after >/run/one/word
umount /run/one
lvchange -qq -ay -K vg/kept
mount /dev/vg/kept /run/one
[ "$(cat /run/one/word)" = before ] && echo 'thin volumes and their snapshots'
umount /run/one
vgremove -qq -f vg

# A disk of another machine.
systemctl start iscsid
iscsiadm -m node -o new -T "$target" -p "$portal" >/dev/null
iscsiadm -m node -T "$target" -p "$portal" --login >/dev/null
udevadm settle
far=$(readlink -f /dev/disk/by-path/ip-"$portal"-iscsi-"$target"-lun-1)
echo 'written over iSCSI' | dd of="$far" bs=512 conv=sync,fsync 2>/dev/null
echo 3 >/proc/sys/vm/drop_caches
head -c 18 "$far" && echo
iscsiadm -m node -T "$target" -p "$portal" --logout >/dev/null

# A disk that two hold: both ends are here, each with a disk of its own.
# What it asks before it copies would be answered by a configuration, of which there is none.
# The driver may be there already, so that modprobe would not set it.
modprobe drbd
printf %s /bin/true >/sys/module/drbd/parameters/usermode_helper
for each in 0 1; do
  disk=$(sized drbd$each.img 16M)
  yes | drbdmeta --force $each v08 "$disk" internal create-md >/dev/null 2>&1
  drbdsetup-84 new-resource r$each
  drbdsetup-84 new-minor r$each $each 0
  drbdsetup-84 attach $each "$disk" "$disk" internal
done
# An emulated machine that shares its processors answers late at times. In tenths of a second.
patience='--ping-timeout=100 --timeout=90'
drbdsetup-84 connect r0 ipv4:127.0.0.1:7790 ipv4:127.0.0.1:7791 --protocol=C $patience
drbdsetup-84 connect r1 ipv4:127.0.0.1:7791 ipv4:127.0.0.1:7790 --protocol=C $patience
drbdsetup-84 primary 0 --force
echo 'written over DRBD' | dd of=/dev/drbd0 bs=512 conv=sync,fsync 2>/dev/null
tries=0
until [ "$(drbdsetup-84 dstate 1)" = UpToDate/UpToDate ]; do
  tries=$((tries + 1))
  [ $tries -lt 120 ] || {
    echo "the second disk is $(drbdsetup-84 dstate 1), the ends are $(drbdsetup-84 cstate 0) and $(drbdsetup-84 cstate 1)"
    dmesg | grep drbd | tail -n 40
    exit 1
  }
  sleep 1
done
drbdsetup-84 secondary 0
drbdsetup-84 primary 1
head -c 17 /dev/drbd1 && echo
drbdsetup-84 secondary 1
for each in 0 1; do drbdsetup-84 down r$each; done
