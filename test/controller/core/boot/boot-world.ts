/** A cloud whose bootd has told of images, for tests of how machines boot. */
import type { HostImageManifest } from '#shared/model/host-image.ts'
import type { BootReport, BootState } from '#shared/wire/boot.ts'
import type { Context } from '../../../../controller/core/admission/context.ts'
import { promoteImage, setBoot } from '../../../../controller/core/boot/wishes.ts'
import type { Commit } from '../../../../controller/core/commit.ts'
import { isRefusal, type Refusal } from '../../../../controller/core/refusal.ts'
import { type SampleCloud, sampleCloud } from '../../../world/sample-cloud.ts'

export const [first, second] = ['1'.repeat(16), '2'.repeat(16)] as const
/** The boot key of these clouds. */
export const key = 'K'.repeat(43)

const file = { bytes: 1, sha256: 'a'.repeat(64) }

/** The manifest of a version. */
export const manifestOf = (version: string): HostImageManifest => ({
  format: 1,
  version,
  architecture: 'x86_64',
  profile: 'minimal',
  kernel: '6.1.0',
  remuda: '0.1.0',
  files: { vmlinuz: file, initrd: file, 'root.squashfs': file }
})

/** What a bootd says that has both versions. */
export const reportOf = (changes: Partial<BootReport> = {}): BootReport => ({
  type: 'boot-report',
  mode: 'full',
  url: 'http://10.0.0.2:7480',
  foreign: [],
  images: [first, second].map(version => ({ manifest: manifestOf(version) })),
  boots: [],
  ...changes
})

/** A boot of host h1 in a stage that began so long after the first one. */
export const bootOf = (stage: BootState['stage'], changes: Partial<BootState> = {}): BootState => ({
  boot: 'b-1',
  uuid: 'uuid-h1',
  macs: ['52:54:00:00:00:01'],
  profile: 'host',
  version: first,
  isFallback: false,
  stage,
  stages: [
    { stage: 'script', at: '2026-01-01T00:00:01.000Z' },
    { stage, at: '2026-01-01T00:00:05.500Z' }
  ],
  failures: 0,
  ...changes
})

/** A cloud of one host whose bootd is heard. */
export function bootCloud(): SampleCloud & {
  readonly hear: (changes?: Partial<BootReport>, bootd?: string) => void
  readonly wish: (judge: (context: Context) => Commit | Refusal) => Commit
} {
  const cloud = sampleCloud()
  const { view, context } = cloud
  const hear = (changes?: Partial<BootReport>, bootd = 'c1'): void => {
    view.fold({ type: 'boots', bootd, report: reportOf(changes), at: context.now })
  }
  const wish = (judge: (context: Context) => Commit | Refusal): Commit => {
    const commit = judge(context)
    if (isRefusal(commit)) throw new Error(commit.refused.message)
    if (commit.changes.length > 0) cloud.commit(commit)
    return commit
  }
  hear()
  return { ...cloud, hear, wish }
}

/** The same with a current version. */
export function promotedCloud(): ReturnType<typeof bootCloud> {
  const cloud = bootCloud()
  cloud.wish(context => setBoot(cloud.view, { wish: {}, key }, context))
  cloud.wish(context => promoteImage(cloud.view, { wish: { version: first }, key }, context))
  return cloud
}
