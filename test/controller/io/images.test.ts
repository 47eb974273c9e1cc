import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import test, { type ExecutionContext } from 'ava'
import { Fault } from '#shared/fault.ts'
import type { Image } from '#shared/model/image.ts'
import { run } from '#shared/process.ts'
import type { ImageStore } from '../../../controller/io/api/service.ts'
import { openImageStore } from '../../../controller/io/images.ts'

const bytes = Buffer.alloc(4_096, 7)
const sha256 = createHash('sha256').update(bytes).digest('hex')
const image = { name: 'tiny', spec: { type: 'vm', format: 'raw', shared: false } } as Image
const expected = { image, signal: new AbortController().signal }
const nobodyWants = (): ReadonlySet<string> => new Set()
const durable = async (): Promise<void> => {}

async function withStore(
  t: ExecutionContext,
  work: (images: ImageStore, folder: string) => Promise<void>
): Promise<void> {
  t.timeout(60_000)
  const folder = await mkdtemp(join(tmpdir(), 'remuda-images-'))
  try {
    await work(await openImageStore(folder), folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const put = <Result>(images: ImageStore, record: () => Promise<Result>): Promise<Result> =>
  images.store(Readable.from([bytes]), expected, record)

test('content that has just come stays until its image is recorded', t =>
  withStore(t, async (images, folder) => {
    await put(images, async () => {
      await put(images, async () => {})
      await images.keepOnly(nobodyWants, durable)
      t.deepEqual(await readdir(folder), [sha256])
    })
    await images.keepOnly(() => new Set([sha256]), durable)
    t.deepEqual(await readdir(folder), [sha256])
    await images.keepOnly(nobodyWants, durable)
    t.deepEqual(await readdir(folder), [])
  }))

test('content stays as long as the end of its image is not on disk', t =>
  withStore(t, async (images, folder) => {
    await put(images, async () => {})
    const failing = async (): Promise<void> => {
      throw new Fault('unavailable', 'cannot record the change')
    }
    await t.throwsAsync(images.keepOnly(nobodyWants, failing), { instanceOf: Fault })
    t.deepEqual(await readdir(folder), [sha256])
    await images.keepOnly(() => undefined, durable)
    t.deepEqual(await readdir(folder), [sha256])
  }))

test('content that could not be recorded goes with the next tidying', t =>
  withStore(t, async (images, folder) => {
    const failing = async (): Promise<never> => {
      throw new Fault('unavailable', 'cannot record the change')
    }
    await t.throwsAsync(put(images, failing), { instanceOf: Fault })
    await images.keepOnly(nobodyWants, durable)
    t.deepEqual(await readdir(folder), [])
  }))

test('a qcow2 whose end is missing is refused, and nothing of it is kept', t =>
  withStore(t, async (images, folder) => {
    const [raw, qcow2] = [join(folder, 'raw.part'), join(folder, 'qcow2.part')]
    await writeFile(raw, Buffer.alloc(2 ** 20, 7))
    await run('qemu-img', ['convert', '-q', '-O', 'qcow2', raw, qcow2], { deadlineMs: 30_000 })
    const whole = await readFile(qcow2)
    await Promise.all([rm(raw), rm(qcow2)])
    const disk = { ...expected, image: { ...image, spec: { ...image.spec, format: 'qcow2' } } }
    const store = (content: Buffer): Promise<void> =>
      images.store(
        Readable.from([content]),
        { ...disk, image: disk.image as Image },
        async () => {}
      )
    for (const sizeBytes of [1_000, whole.length - 300_000]) {
      await t.throwsAsync(store(whole.subarray(0, sizeBytes)), {
        instanceOf: Fault,
        message: /^the content of image tiny is a damaged qcow2/
      })
    }
    t.deepEqual(await readdir(folder), [])
    await store(whole)
    t.is((await readdir(folder)).length, 1)
  }))
