/** A host without a disk keeps the key of its agent in the TPM of its board, over its boots. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { makeKeys } from '#shared/wire/keys.ts'
import { readyHostImage } from '../../../tools/host-image/ready.ts'
import { tell } from '../scene.ts'
import { BootedMachine } from './booted-machine.ts'
import { ImageServer } from './image-server.ts'
import { bootMsMax, freePort, inside, makeKey, until, untilIn } from './inside.ts'

const uuid = '6ba7b812-9dad-41d1-80b4-00c04fd430c8'
const keyFile = '/var/lib/remuda/agent/mesh.key'

test('the TPM gives the key back after a boot', async t => {
  t.timeout(4 * bootMsMax)
  const { folder, manifest } = await readyHostImage({ progress: tell })
  const own = await mkdtemp(join(tmpdir(), 'remuda-tpm-'))
  t.teardown(() => rm(own, { recursive: true, force: true }))
  const { key, sshKey } = await makeKey(own)
  await mkdir(join(own, 'state'))
  await using server = await ImageServer.open(folder)
  const { version } = manifest
  server.given = { name: 'h9', uuid, profile: 'rescue', version, sshKeys: [sshKey] }
  /** What the lines say in the next boot of the machine. */
  const booted = async (lines: string): Promise<readonly string[]> => {
    await using tpm = await Tpm.start(own)
    const port = await freePort()
    await using machine = BootedMachine.start({
      ...{ image: folder, version, port: server.port, uuid, sshPort: port },
      options: ['remuda.profile=rescue'],
      devices: tpm.devices
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

/** A TPM 2.0 as a program (swtpm), whose memory outlives it. */
class Tpm implements AsyncDisposable {
  readonly devices: readonly string[]
  readonly #program: ReturnType<typeof spawn>

  private constructor(program: ReturnType<typeof spawn>, socket: string) {
    this.#program = program
    this.devices = [
      ...['-chardev', `socket,id=tpm,path=${socket}`],
      ...['-tpmdev', 'emulator,id=tpm0,chardev=tpm', '-device', 'tpm-tis,tpmdev=tpm0']
    ]
  }

  static async start(folder: string): Promise<Tpm> {
    const socket = join(folder, 'tpm.sock')
    const words = [
      '--tpmstate',
      `dir=${join(folder, 'state')}`,
      '--ctrl',
      `type=unixio,path=${socket}`
    ]
    const program = spawn('swtpm', ['socket', '--tpm2', ...words], { stdio: 'inherit' })
    await once(program, 'spawn')
    const tpm = new Tpm(program, socket)
    await until('the TPM listens', () =>
      readFile(socket).then(
        () => true,
        (thrown: NodeJS.ErrnoException) => thrown.code === 'ENXIO'
      )
    )
    return tpm
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#program.exitCode !== null || this.#program.signalCode !== null) return
    const ended = once(this.#program, 'exit')
    this.#program.kill('SIGTERM')
    await ended
  }
}
