/** Inputs that no honest machine sends, by HTTP, DHCP and TFTP: from a seed, always the same. */

/** Numbers below a bound, one after another (xorshift). */
export function random(seed: number): (below: number) => number {
  let state = seed * 2_654_435_761 || 1
  return below => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

type Pick = ReturnType<typeof random>

const methods = ['GET', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'CONNECT', 'FOO', '']
const paths = [
  ...['/boot.ipxe', '/boot.words', '/firmware/undionly.kpxe', '/firmware/../boot-plan.json'],
  ...['/images/0123456789abcdef/vmlinuz', '/images/0123456789abcdef/manifest.json'],
  ...['/images/../../boot-plan.json', '/images/%2e%2e/%2e%2e/boots.json', '//', '*', ''],
  ...[`/v1/boots/${'A'.repeat(43)}/progress`, `/v1/boots/${'A'.repeat(43)}/join`],
  ...['/v1/boots//join', '/v1/boots/..%2f..%2fboot-plan.json/join', 'http://127.0.0.1/boot.ipxe']
]
const names = ['uuid', 'mac', 'serial', 'token', 'arch', 'platform', 'asset', '__proto__', 'x', '']
const values = [
  ...['', 'a', '52-54-00-77-00-01', '4c4c4544-0042-3510-8052-b4c04f4e3132', '%', '%00', '%zz'],
  ...['%ff%fe', '..%2f..', '%24%7buuid}', "'; reboot #", 'x'.repeat(300), '%0d%0aset-cookie:%20a']
]
const headers = [
  ...['range: bytes=0-0', 'range: bytes=-0', 'range: bytes=99999999999999999999-', 'range: a=b'],
  ...['range: bytes=0-1,2-3', 'if-none-match: *', 'if-none-match: "a", W/"b"', 'if-range: x'],
  ...[
    'content-length: 5',
    'content-length: -1',
    'content-length: 99999999999',
    'expect: 100-continue'
  ],
  ...[
    'transfer-encoding: chunked',
    'transfer-encoding: gzip',
    'upgrade: websocket',
    'connection: upgrade'
  ],
  ...[`x: ${'y'.repeat(4_000)}`, 'host: a\r\nhost: b', ': empty', 'no colon', 'x\u0000y: z']
]
const bodies = [
  '',
  'stage=joined',
  'stage=failed&because=%1b[2J',
  'stage=',
  '=&&=&',
  '5\r\nhello\r\n0\r\n\r\n'
]

const one = <Value>(pick: Pick, from: readonly Value[]): Value => from[pick(from.length)]!
const some = <Value>(pick: Pick, most: number, make: () => Value): readonly Value[] =>
  Array.from({ length: pick(most + 1) }, make)

/** Bytes, a few of them changed, cut off or doubled. */
function mangled(pick: Pick, bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  for (const at of some(pick, 6, () => pick(copy.length || 1))) {
    if (at < copy.length) copy[at] = pick(256)
  }
  const kind = pick(6)
  if (kind === 0) return copy.subarray(0, pick(copy.length + 1))
  return kind === 1 ? Buffer.concat([copy, copy]) : copy
}

/** A request, or something that is none. */
export function httpInput(pick: Pick): Buffer {
  if (pick(20) === 0) return Buffer.from(some(pick, 400, () => pick(256)))
  const question = some(pick, 20, () => `${one(pick, names)}=${one(pick, values)}`).join('&')
  const path = `${one(pick, paths)}${pick(2) === 0 ? `?${question}` : ''}`
  const version = one(pick, ['HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0', 'HTTP/9', ''])
  const lines = [
    `${one(pick, methods)} ${path} ${version}`,
    ...(pick(8) === 0 ? [] : ['host: x']),
    ...some(pick, 4, () => one(pick, headers))
  ]
  const text = Buffer.from(`${lines.join('\r\n')}\r\n\r\n${one(pick, bodies)}`, 'latin1')
  return pick(3) === 0 ? mangled(pick, text) : text
}

/** A DHCP packet of a machine, or nearly. */
export function dhcpInput(pick: Pick): Buffer {
  if (pick(30) === 0) return Buffer.from(some(pick, 600, () => pick(256)))
  const packet = Buffer.alloc(240)
  packet.set([
    one(pick, [1, 1, 1, 1, 2, 255]),
    one(pick, [1, 1, 1, 6, 0]),
    one(pick, [6, 6, 16, 255])
  ])
  packet.writeUInt32BE(pick(2 ** 31), 4)
  packet.writeUInt16BE(one(pick, [0x8000, 0x8000, 0, 0xffff]), 10)
  packet.set([0x02, 0xaa, 0, 0, pick(8), pick(256)], 28)
  packet.set([0x63, 0x82, 0x53, pick(40) === 0 ? 0 : 0x63], 236)
  const codes = [
    53,
    55,
    60,
    61,
    77,
    82,
    93,
    94,
    97,
    43,
    50,
    54,
    57,
    81,
    124,
    125,
    175,
    0,
    12,
    pick(256)
  ]
  const options = some(pick, 12, () => {
    const length = one(pick, [0, 1, 2, 3, 4, 7, 16, 32, 255])
    const content = some(pick, length, () => pick(256))
    return Buffer.from([one(pick, codes), pick(12) === 0 ? pick(256) : content.length, ...content])
  })
  const type = Buffer.of(53, 1, one(pick, [1, 1, 3, 3, 4, 7, 8, 0, 99]))
  const bytes = Buffer.concat([packet, type, ...options, Buffer.of(255)])
  return pick(4) === 0 ? mangled(pick, bytes) : bytes
}

/** A TFTP packet that begins a transfer, or nearly. */
export function tftpInput(pick: Pick): Buffer {
  const files = [
    'undionly.kpxe',
    '../../../etc/passwd',
    '/etc/shadow',
    '',
    'x'.repeat(600),
    '%s%s%n'
  ]
  const modes = ['octet', 'netascii', 'OCTET', '', 'x'.repeat(90)]
  const options = [
    'blksize',
    '1468',
    'blksize',
    '65535',
    'tsize',
    '0',
    'windowsize',
    '-1',
    '',
    '\u0000'
  ]
  const words = [one(pick, files), one(pick, modes), ...some(pick, 8, () => one(pick, options))]
  const type = String.fromCharCode(one(pick, [1, 1, 1, 2, 3, 4, 5, 9]))
  const text = `\u0000${type}${words.join('\u0000')}\u0000`
  return mangled(pick, Buffer.from(text, 'latin1'))
}
