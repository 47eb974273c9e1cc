/**
 * What an instance runs that writes to a disk which all hosts share, as fast as it can but no more
 * often than every 50 ms. Of image `tiny`: user data runs once there, so it puts the writer where
 * init finds it at each boot.
 *
 * A record goes to the first empty sector, with no cache between it and the disk, and the next one
 * is written only once the disk has it. A write that fails is tried again, in the first sector that
 * is empty then.
 */

/** Volume that is written to, as the instance sees it: the one after its root. */
const disk = '/dev/vdb'

const writer = `#!/bin/sh
read -r start </sys/class/dmi/id/product_version
read -r boot </proc/sys/kernel/random/boot_id
read -r host </run/tiny/host
read -r sectors </sys/class/block/${disk.slice('/dev/'.length)}/size
is_empty() {
  case $(dd if=${disk} bs=512 skip=$1 count=1 iflag=direct 2>/dev/null) in
  start=*) return 1 ;;
  esac
}
place=0
above=$sectors
while [ $place -lt $above ]; do
  middle=$(((place + above) / 2))
  if is_empty $middle; then above=$middle; else place=$((middle + 1)); fi
done
count=1
while [ $place -lt $sectors ]; do
  if ! is_empty $place; then
    place=$((place + 1))
    continue
  fi
  read -r up rest </proc/uptime
  printf '%-511s\\n' "start=$start boot=$boot host=$host count=$count up=$up" |
    dd of=${disk} bs=512 seek=$place conv=notrunc oflag=direct 2>/dev/null || continue
  count=$((count + 1))
  place=$((place + 1))
  usleep 30000
done
`

/** User data of an instance that writes; the same for all. */
export const writerScript = `#!/bin/sh
cat >/root/writer <<'WRITER'
${writer}WRITER
chmod 755 /root/writer
sed -i 's|^heartbeat &$|heartbeat \\&\\n/root/writer \\&|' /sbin/init
sync
/root/writer &
`
