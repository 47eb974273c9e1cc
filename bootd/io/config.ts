/** What bootd is told at its start: flags, then environment, then its file, then defaults. */
import Type from 'typebox'
import { findConfig } from '#shared/config.ts'
import { Fault } from '#shared/fault.ts'
import { Strict, Words } from '#shared/model/resource.ts'
import type { DeepReadonly } from '#shared/model/types.ts'
import { stateDefault } from '#shared/state-folder.ts'
import { bootdPort } from '#shared/wire/answering-end.ts'

/** What bootd can be told. */
export const BootdConfig = Strict({
  state: Type.String({
    pattern: '^/[^\\0]*$',
    default: stateDefault,
    description: 'Folder of all state; that of the controller on this machine.'
  }),
  address: Type.String({
    minLength: 1,
    maxLength: 64,
    default: '127.0.0.1',
    description: 'IP address at which controllers reach this bootd.'
  }),
  port: Type.Integer({
    minimum: 0,
    maximum: 65_535,
    default: bootdPort,
    description: 'TCP port at which controllers reach this bootd; 0: any.'
  }),
  lookEveryMs: Type.Integer({
    minimum: 1_000,
    maximum: 3_600_000,
    default: 60_000,
    description: 'Between two looks at the fence devices of a host. Unit: ms.'
  }),
  logLevel: Words(['debug', 'info', 'warn', 'error'], {
    description: 'Least urgency of what is logged.',
    default: 'info'
  })
})
/** How bootd is set up. */
export type BootdConfig = DeepReadonly<Type.Static<typeof BootdConfig>>

/** Reads the configuration; Fault `invalid` names each field that is at fault. */
export async function readConfig(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>
): Promise<BootdConfig> {
  const kind = { schema: BootdConfig, file: 'bootd/bootd.json', variables: 'REMUDA_BOOTD_' }
  const { config, problems, path } = await findConfig(kind, { args, environment })
  if (problems.length === 0) return config as BootdConfig
  throw new Fault('invalid', 'cannot use the configuration of bootd', {
    reasons: problems,
    next: [`mend ${path}, the flags, or the variables REMUDA_BOOTD_…`]
  })
}
