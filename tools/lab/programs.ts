/**
 * The daemons' programs, built once into the lab's own folder: a lab goes on with what it was
 * started with, whatever becomes of the checkout meanwhile.
 */
import { rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { bundle } from '../build.ts'

const root = join(import.meta.dirname, '../..')

/** Builds the programs of the hosts into a folder. */
export async function buildPrograms(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true })
  await bundle(
    {
      'remuda-controller': 'controller/main.ts',
      'remuda-agent': 'agent/main.ts',
      'remuda-bootd': 'bootd/main.ts'
    },
    folder
  )
  // Packages with machine code stay where they are, and are looked for from here.
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
}
