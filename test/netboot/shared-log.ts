/**
 * A container that appends to a log on a pool that all hosts see, one record after another, from
 * each start on; and the log as the machine beside all of them reads it. Its records are those of
 * instances that write to a disk of their own, so the same judge says whether two ever wrote at
 * once: their records would alternate.
 */
import { glob, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type DiskVerdict, judgeDisk, readRecords } from '../../tools/chaos/disk-log.ts'
import { folderOf } from '../../tools/lab/folder.ts'
import type { Lab } from '../../tools/lab/lab.ts'

const writer = `#!/bin/sh
read -r boots </run/tiny/boots
read -r boot </proc/sys/kernel/random/uuid
read -r host </run/tiny/host
count=1
while :; do
  read -r up rest </proc/uptime
  printf '%-511s\\n' "start=1/$boots boot=$boot host=$host count=$count up=$up" >>/root/shared-log
  count=$((count + 1))
  usleep 200000
done
`

/** User data of a container that writes at each of its starts. */
export const writerScript = `#!/bin/sh
cat >/root/writer <<'WRITER'
${writer}WRITER
chmod 755 /root/writer
sed -i 's|^heartbeat &$|heartbeat \\&\\n/root/writer \\&|' /sbin/init
sync
/root/writer &
`

/** What is in the log, and whether two ever wrote at once; nothing yet: no records. */
export async function readSharedLog(lab: Lab): Promise<DiskVerdict> {
  const { shared } = folderOf(lab.folder)
  const [path] = await Array.fromAsync(glob('**/root/shared-log', { cwd: shared }))
  if (path === undefined) return judgeDisk([])
  return judgeDisk(readRecords(await readFile(join(shared, path))))
}
