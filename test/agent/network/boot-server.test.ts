import test from 'ava'
import { bootServerOf } from '../../../agent/core/boot-server.ts'

for (const [line, server] of [
  ['quiet remuda.url=http://10.0.0.2:7480 a=b\n', { address: '10.0.0.2', port: 7_480 }],
  ['remuda.url=http://10.0.0.2/', { address: '10.0.0.2', port: 80 }],
  ['remuda.url=http://10.0.0.2:1 remuda.url=http://10.0.0.3:2', { address: '10.0.0.3', port: 2 }],
  ['root=/dev/sda1 quiet', undefined],
  ['remuda.url=http://boot.example:7480', undefined],
  ['remuda.url=http://10.0.0.2:99999', undefined],
  ['remuda.url=http://10.0.0.2;drop:80', undefined]
] as const) {
  test(`of "${line.trim()}" the boot server is ${server?.address ?? 'unknown'}`, t => {
    t.deepEqual(bootServerOf(line), server)
  })
}
