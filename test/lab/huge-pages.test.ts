/** A VM whose memory is huge pages of the machine, with a real libvirt and a real emulator. */
import { mkdtemp, readFile, rmdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { run } from '#shared/process.ts'
import { idOf, instance, network, order, pool, volume } from '../agent/samples.ts'
import { AgentHost } from './agent-host.ts'

const pagesFile = '/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages'
const memoryMib = 64
const pages = memoryMib / 2
const deadlineMs = 120_000

const pagesNow = async (): Promise<number> => Number(await readFile(pagesFile, 'utf8'))
const addPages = async (count: number): Promise<void> =>
  await writeFile(pagesFile, String(Math.max(0, (await pagesNow()) + count)))

/** Sets pages aside, and gives libvirt a place for them; false: this machine has none to give. */
async function setAside(t: ExecutionContext): Promise<boolean> {
  const before = await pagesNow()
  await addPages(pages)
  const added = (await pagesNow()) - before
  t.teardown(() => addPages(-added))
  if (added < pages) return false
  const folder = await mkdtemp(join(tmpdir(), 'remuda-huge-pages-'))
  await run('mount', ['-t', 'hugetlbfs', 'hugetlbfs', folder], { deadlineMs })
  t.teardown(async () => {
    await run('umount', [folder], { deadlineMs })
    await rmdir(folder)
  })
  return true
}

/** How much of a process is huge pages, by the kernel. Unit: KiB. */
async function hugeKibOf(pid: number): Promise<number> {
  const smaps = await readFile(`/proc/${pid}/smaps`, 'utf8')
  const found = smaps.matchAll(/^(?:Private|Shared)_Hugetlb: +(\d+) kB$/gm)
  return [...found].reduce((sum, [, kib]) => sum + Number(kib), 0)
}

test('all memory of a VM that wishes for huge pages is huge pages', async t => {
  t.timeout(300_000)
  if (!(await setAside(t))) {
    t.log(`this machine cannot set ${pages} pages of 2 MiB aside: nothing is shown`)
    t.pass()
    return
  }
  await using host = await AgentHost.start()
  const wish = { memoryMib, vcpus: 1, stopGraceMs: 1_000 }
  await host.order(
    order({
      generation: 1,
      images: [await host.machineImage(idOf('im', 1))],
      pools: [pool()],
      networks: [network()],
      volumes: [volume({ format: 'qcow2', sizeMib: 16 })],
      instances: [instance({ ...wish, hugePages: '2M' })]
    })
  )
  t.is(host.report?.instances[0]?.power, 'running')
  const [pid] = await host.libvirtd.pidsOf('qemu-system-x86')
  t.is(await hugeKibOf(pid!), memoryMib * 1_024)
})
