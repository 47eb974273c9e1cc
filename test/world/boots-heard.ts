/** What a bootd says of boots, told to a whole controller, for tests of what it makes of it. */
import type { BootReport } from '#shared/wire/boot.ts'
import { reportOf } from '../controller/core/boot/boot-world.ts'
import { joinHost, type WorldController, worldController } from './world-controller.ts'

/** A UUID as hosts have them. */
export const bootUuid = '4c4c4544-0000-1000-8000-00000000000a'

/** Folds what a bootd says, and has the controller think about it. */
export function hearBoots(
  world: WorldController,
  changes: Partial<BootReport> = {},
  bootd = 'c1'
): void {
  const { reign } = world.running.service
  reign.view.fold({ type: 'boots', bootd, report: reportOf(changes), at: reign.now() })
  reign.wake()
}

/** A controller with host h1, whose bootd has two versions of the image. */
export async function bootWorld(): Promise<WorldController> {
  const world = await worldController()
  await joinHost(world)
  hearBoots(world)
  return world
}
