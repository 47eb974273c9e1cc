import type { Lab } from './lab.ts'

/** What a newcomer needs to know of a lab that has just come up. */
export function reportUp(lab: Lab, seconds: string): readonly string[] {
  const { plan } = lab
  const [first, last] = [plan.hosts[0]!, plan.hosts.at(-1)!]
  const lines = [
    '',
    `The lab is up with ${plan.hosts.length} hosts after ${seconds} s; it is in ${plan.folder}`,
    '',
    `  export REMUDA_LAB=${plan.folder}                  so that remuda talks to the lab`,
    '',
    '  remuda status                                     how the cloud is',
    `  remuda instance create web --image tiny --host ${last.name}`,
    `  remuda lab power off ${last.name}                           pull a plug`,
    '  remuda lab status                                 how the hosts are',
    '  remuda lab down                                   take it all away',
    ''
  ]
  if (!plan.outside) return lines
  return [...lines, `  the API also answers at http://${first.address}:7410`, '']
}
