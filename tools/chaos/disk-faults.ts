/**
 * What befalls the host of a writer, in a lab whose hosts are fenced, one after another. Each waits
 * until the writer writes again, from where it must, and mends what it has done.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../bench/takeover-checks.ts'
import { readResource, sayVerb } from '../cli/api/resources.ts'
import type { Lab } from '../lab/lab.ts'
import type { Chance } from './chance.ts'
import type { DiskWatch } from './disk-watch.ts'

/** An instance that writes, and its disk. */
export type DiskWriter = { readonly name: string; readonly watch: DiskWatch }

/** Whom it befalls. */
export type DiskScene = {
  readonly lab: Lab
  readonly chance: Chance
  readonly writer: DiskWriter
  /** Host that the writer runs on. */
  readonly host: string
  /** All other hosts. */
  readonly others: readonly string[]
}

/** Befalls a host and mends it; throws what was not as it must be. */
export type DiskFault = (scene: DiskScene) => Promise<void>

/** Nobody is taken for dead within so long. Unit: ms. */
const shortMs = [300, 1_000] as const
/** A frozen host is let go on so long after others write. Unit: ms. */
const afterMs = [0, 4_000] as const

/** All of them, by what is said of them. */
export const diskFaults: Readonly<Record<string, DiskFault>> = {
  'power cut': async scene => {
    await elsewhere(scene, () => scene.lab.power(scene.host, 'off'))
  },
  'power cycled by another': async scene => {
    const { watch } = scene.writer
    const { boot } = watch.last!.record!
    await scene.lab.power(scene.host, 'cycle')
    await watch.next('another boot writes', record => record.boot !== boot)
  },
  'cut off the network': async scene => {
    const { lab, host, others } = scene
    await elsewhere(scene, () => lab.partition([[host], others]))
    await lab.heal()
  },
  'hears nobody': async scene => {
    const { lab, host, others, chance } = scene
    await lab.partition([others, [host]], true)
    await sleep(chance.between(2_000, 8_000))
    await lab.heal()
    await writes(scene)
  },
  'stands still and goes on': async scene => {
    const { lab, host, chance } = scene
    await elsewhere(scene, () => lab.pause(host))
    await sleep(chance.between(...afterMs))
    // Its fence has cut its power: unless it is still off, this is another boot.
    await lab.resume(host).catch(() => {})
  },
  'stands still for a moment': async scene => {
    const { lab, host, chance } = scene
    await lab.pause(host)
    await sleep(chance.between(...shortMs))
    await lab.resume(host)
    await writes(scene)
  },
  'moved while it runs': async scene => {
    const { lab, writer, others, chance } = scene
    const { boot } = writer.watch.last!.record!
    const one = { kind: 'instance' as const, name: writer.name }
    const to = chance.pick(others)
    await sayVerb(lab.api, one, 'migrate', { body: { to, live: true } })
    await until(`${writer.name} has moved to ${to}`, async () => {
      const { status } = await readResource(lab.api, one)
      return status['move'] === undefined && status['host'] === to
    })
    await writer.watch.next('it writes on', record => record.boot === boot)
  }
}

/** After that the writer must write on another host, in a later start. */
async function elsewhere(
  { host, writer: { watch } }: DiskScene,
  strike: () => Promise<void>
): Promise<void> {
  const { boot } = watch.last!.record!
  await strike()
  await watch.next(
    `it writes elsewhere than on ${host}`,
    record => record.boot !== boot && record.host !== host
  )
}

/** Somebody writes what was not there before. */
async function writes({ writer: { watch } }: DiskScene): Promise<void> {
  await watch.next('it writes again', () => true)
}
