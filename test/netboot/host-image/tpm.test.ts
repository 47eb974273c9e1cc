/** A host without a disk keeps the key of its agent in the TPM of its board, over its boots. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { makeKeys } from '#shared/wire/keys.ts'
import { readyHostImage } from '../../../tools/host-image/ready.ts'
import { startTpm } from '../../../tools/lab/keeper/tpm.ts'
import { tell } from '../scene.ts'
import { BootedMachine } from './booted-machine.ts'
import { ImageServer } from './image-server.ts'
import { bootMsMax, freePort, inside, makeKey, untilIn } from './inside.ts'

const uuid = '6ba7b812-9dad-41d1-80b4-00c04fd430c8'
const keyFile = '/var/lib/remuda/agent/mesh.key'

test('the TPM gives the key back after a boot', async t => {
  t.timeout(4 * bootMsMax)
  const { folder, manifest } = await readyHostImage({ progress: tell })
  const own = await mkdtemp(join(tmpdir(), 'remuda-tpm-'))
  t.teardown(() => rm(own, { recursive: true, force: true }))
  const { key, sshKey } = await makeKey(own)
  await using server = await ImageServer.open(folder)
  const { version } = manifest
  server.given = { name: 'h9', uuid, profile: 'rescue', version, sshKeys: [sshKey] }
  /** What the lines say in the next boot of the machine. */
  const booted = async (lines: string): Promise<readonly string[]> => {
    const port = await freePort()
    await using machine = BootedMachine.start({
      ...{ image: folder, version, port: server.port, uuid, sshPort: port },
      options: ['remuda.profile=rescue'],
      devices: await startTpm(own)
    })
    const entry = { key, port }
    await untilIn(machine, entry)
    return await inside(`${lines}; cat /run/remuda/tpm.error >&2 || :`, entry)
  }
  const [first, second] = [makeKeys(), makeKeys()].map(keys => JSON.stringify(keys))
  const put = (text: string): string => `echo '${text}' >${keyFile}; /usr/lib/remuda/tpm keep`
  const begun = `ls ${keyFile} 2>&1; umask 077; mkdir -p ${keyFile.replace(/\/[^/]*$/, '')}`
  t.regex((await booted(`${begun}; ${put(first!)}`))[0] ?? '', /No such file/)
  const look = `cat ${keyFile}; stat -c '%a %U' ${keyFile}`
  t.deepEqual(await booted(`${look}; ${put(second!)}`), [first!, '600 root'])
  t.deepEqual(await booted(look), [second!, '600 root'], 'another key takes its place')
})
