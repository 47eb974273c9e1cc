/**
 * A machine without a disk whose board has a TPM: once it was let in, that keeps the key of its
 * agent, so the host comes back under the same key. One without comes back under another.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { openLab } from '../../tools/lab/open.ts'
import { makeSay } from '../../tools/up/say.ts'
import { patienceMs, Scene, tell, until } from './scene.ts'
import { share } from './two-machines.ts'

const publicKey = 'jq -r .publicKey /var/lib/remuda/agent/mesh.key'

test.serial('a host comes back by the key that its TPM has kept', async t => {
  const [before, after, console] = await overPowerCut(t, { tpm: true, first: 121 })
  t.regex(console, /its TPM keeps the key of its agent/)
  t.regex(console, /its TPM has kept the key of its agent/)
  t.is(after, before)
})

test.serial('one without a TPM comes back by the secret of its boot, with another key', async t => {
  const [before, after, console] = await overPowerCut(t, { tpm: false, first: 124 })
  t.notRegex(console, /TPM/)
  t.not(after, before)
})

/** The key of a machine's agent before and after a power cut, and all that its console says. */
async function overPowerCut(
  t: ExecutionContext,
  { tpm, first }: { readonly tpm: boolean; readonly first: number }
): Promise<readonly [before: string, after: string, console: string]> {
  t.timeout(2 * patienceMs)
  const folder = await mkdtemp(join(tmpdir(), 'remuda-tpm-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const write = (text: string): void => void (text.trim() !== '' && tell(text.trimEnd()))
  await using lab = await openLab({
    ...{ folder: join(folder, 'lab'), hosts: 1, solo: true, machines: 1, tpm, share },
    ...{ isBound: true, outside: false, subnet: `10.${first}.0.0/24` },
    ...{ instances: `10.${first + 1}.0.0/16`, management: `10.${first + 2}.0.0/24` },
    say: makeSay({ write })
  })
  const scene = new Scene(lab)
  const console = (): Promise<string> => scene.console('n1')
  if (tpm) {
    await until('its TPM has the key', async () => (await console()).includes('TPM keeps the key'))
  }
  const before = await scene.inside('n1', publicKey)
  const { n1: bootId } = await scene.bootIds()
  await lab.power('n1', 'off')
  await lab.power('n1', 'on')
  await scene.untilBack('n1', bootId)
  return [before, await scene.inside('n1', publicKey), await console()]
}
