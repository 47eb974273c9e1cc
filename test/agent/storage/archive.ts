/** Writes tar archives, honest and hostile ones, entry by entry. */

export type Entry = {
  readonly name: string
  readonly content?: string
  /** 0: file, 1: hard link, 2: symbolic link, 3: character device, 5: folder. */
  readonly type?: '0' | '1' | '2' | '3' | '5'
  readonly target?: string
  readonly mode?: number
  readonly owner?: number
}

/** Makes the bytes of an archive in the format ustar. */
export function makeArchive(entries: readonly Entry[]): Uint8Array {
  const blocks = entries.flatMap(entry => {
    const content = Buffer.from(entry.content ?? '')
    const padding = Buffer.alloc((512 - (content.length % 512)) % 512)
    return [makeHeader(entry, content.length), content, padding]
  })
  return Buffer.concat([...blocks, Buffer.alloc(1024)])
}

function makeHeader(entry: Entry, size: number): Buffer {
  const header = Buffer.alloc(512)
  const octal = (value: number, width: number) => `${value.toString(8).padStart(width - 1, '0')}\0`
  const fields: readonly (readonly [number, string])[] = [
    [0, entry.name],
    [100, octal(entry.mode ?? 0o644, 8)],
    [108, octal(entry.owner ?? 0, 8)],
    [116, octal(entry.owner ?? 0, 8)],
    [124, octal(size, 12)],
    [136, octal(946_684_800, 12)],
    [148, '        '],
    [156, entry.type ?? '0'],
    [157, entry.target ?? ''],
    [257, 'ustar\x0000'],
    [329, octal(1, 8)],
    [337, octal(3, 8)]
  ]
  for (const [offset, text] of fields) header.write(text, offset, 'latin1')
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return header
}
