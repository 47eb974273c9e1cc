/** The ways into the cloud of a lab. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { hostFolderOf } from './folder.ts'

/** Where the cloud of a lab answers: the sockets of its candidates, whether they run or not. */
export function labServers(folder: string): readonly string[] {
  try {
    return readdirSync(join(folder, 'hosts'))
      .sort()
      .flatMap(host => {
        const { run, names } = runOf(folder, host)
        return names.includes('admin.sock') ? [`unix:${join(run, 'admin.sock')}`] : []
      })
  } catch {
    return [`unix:${join(folder, 'no-lab')}`] // whoever asks there is told that there is none
  }
}

function runOf(folder: string, host: string) {
  const run = join(hostFolderOf(folder, host).state, 'run')
  try {
    return { run, names: readdirSync(run) }
  } catch {
    return { run, names: [] }
  }
}
