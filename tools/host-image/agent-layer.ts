/**
 * Our own programs as they lie in a host, below /opt/remuda: bundles, the Node that runs them, and
 * the packages with machine code that they load.
 */
import { chmod, copyFile, cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { Fault } from '#shared/fault.ts'
import { launcher } from '../build/launcher.ts'
import { bundle } from '../build.ts'
import { run } from '../image/run.ts'

/** Where they lie in the root of a host. */
export const agentFolder = 'opt/remuda'

/** The programs of a host; the threads and children of them come along. */
const programs = {
  ...{ 'remuda-agent': 'agent/main.ts', remuda: 'tools/remuda.ts' },
  'remuda-peer': 'bootd/peer.ts'
} as const

/** Packages that a bundle leaves outside, and what they load; JavaScript, but for one addon. */
const outside = ['zeromq', 'cmake-ts'] as const

/** Puts all of it below the root of a host. */
export async function placeAgent(root: string, signal?: AbortSignal): Promise<void> {
  const folder = join(root, agentFolder)
  const bin = join(folder, 'bin')
  await mkdir(bin, { recursive: true })
  await bundle(programs, bin, { maps: false })
  await mkdir(join(folder, 'node_modules/.bin'), { recursive: true })
  await symlink('../../bin/node', join(folder, 'node_modules/.bin/node'))
  await run('strip', ['-o', join(bin, 'node'), process.execPath], { signal })
  await chmod(join(bin, 'node'), 0o755)
  for (const name of Object.keys(programs)) {
    // Nobody could write what was compiled into the image, and memory is for instances.
    const text = launcher(name).replace(' --enable-source-maps', '')
    await writeFile(join(bin, name), text, { mode: 0o755 })
  }
  for (const name of outside) await placePackage(name, folder)
  for (const addon of await loadedAddons(signal)) {
    const within = relative(packages, addon)
    await mkdir(dirname(join(folder, 'node_modules', within)), { recursive: true })
    await run('strip', ['--strip-unneeded', '-o', join(folder, 'node_modules', within), addon])
  }
  await mkdir(join(root, 'usr/local/bin'), { recursive: true })
  for (const name of Object.keys(programs)) {
    await symlink(`/${agentFolder}/bin/${name}`, join(root, 'usr/local/bin', name))
  }
}

const resolver = createRequire(import.meta.url)
/** The folder of our npm packages; their real place, wherever it is linked from. */
const packages = dirname(dirname(resolver.resolve('zeromq/package.json')))

async function placePackage(name: string, folder: string): Promise<void> {
  const from = join(packages, name)
  const to = join(folder, 'node_modules', name)
  await mkdir(to, { recursive: true })
  await copyFile(join(from, 'package.json'), join(to, 'package.json'))
  const parts = name === 'zeromq' ? ['lib', 'build/manifest.json'] : ['build/loader.js']
  for (const part of parts) {
    await mkdir(dirname(join(to, part)), { recursive: true })
    const filter = (path: string): boolean => !/\.(ts|map)$/.test(path)
    await cp(join(from, part), join(to, part), { recursive: true, filter })
  }
  JSON.parse(await readFile(join(to, 'package.json'), 'utf8'))
}

/** The addons that Node loads here for what the agent imports: hosts have the same Node. */
async function loadedAddons(signal?: AbortSignal): Promise<readonly string[]> {
  const code =
    `require(${JSON.stringify(join(packages, 'zeromq'))});` +
    'console.log(JSON.stringify(process.report.getReport().sharedObjects))'
  const output = await run(process.execPath, ['--eval', code], { signal })
  const found = (JSON.parse(output) as readonly string[]).filter(path => path.endsWith('.node'))
  if (found.length > 0) return found
  throw new Fault('not-found', 'cannot find the addon of zeromq: Node loads none')
}
