import assert from 'node:assert/strict'

/** Sectors of 512 bytes, as a partition table counts. */
export type Partition = {
  readonly start: number
  readonly length: number
  /** 0x06 is FAT16, 0x83 Linux. */
  readonly kind: number
  readonly active: boolean
}

const codeBytesMax = 440
const tableOffset = 446
/** "Past the reach of cylinders, heads and sectors": readers take the linear fields instead. */
const beyondGeometry = Buffer.from([0xfe, 0xff, 0xff])

/** Writes a master boot record: boot code, disk signature, at most four partitions. */
export function bootRecord(options: {
  readonly code: Buffer
  readonly signature: number
  readonly partitions: readonly Partition[]
}): Buffer {
  const { code, signature, partitions } = options
  assert(code.length <= codeBytesMax && partitions.length <= 4)
  const record = Buffer.alloc(512)
  code.copy(record)
  record.writeUInt32LE(signature, codeBytesMax)
  for (const [index, partition] of partitions.entries()) {
    const at = tableOffset + 16 * index
    record.writeUInt8(partition.active ? 0x80 : 0, at)
    beyondGeometry.copy(record, at + 1)
    record.writeUInt8(partition.kind, at + 4)
    beyondGeometry.copy(record, at + 5)
    record.writeUInt32LE(partition.start, at + 8)
    record.writeUInt32LE(partition.length, at + 12)
  }
  record.writeUInt16LE(0xaa55, 510)
  return record
}
