import test from 'ava'
import { droppedAt } from '../../../bootd/core/socket-drops.ts'

const rest = '00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0'
const table = [
  '   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout ...',
  `  337: 0100007F:1D38 ${rest} 8035 2 0000000000000000 0`,
  `  338: 02000A0A:1D38 ${rest} 8036 2 0000000000000000 1742`
].join('\n')

test('the datagrams that a socket has lost are those of its own line', t => {
  t.is(droppedAt(table, { address: '10.10.0.2', port: 7480 }), 1_742)
  t.is(droppedAt(table, { address: '127.0.0.1', port: 7480 }), 0)
  t.is(droppedAt(table, { address: '10.10.0.2', port: 7481 }), undefined)
  t.is(droppedAt('', { address: '10.10.0.2', port: 7480 }), undefined)
})
