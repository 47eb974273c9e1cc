/** What bootd is told at its start: flags, then environment, then its file, then defaults. */
import Type from 'typebox'
import { findConfig } from '#shared/config.ts'
import { Fault } from '#shared/fault.ts'
import { Strict, Words } from '#shared/model/resource.ts'
import type { DeepReadonly } from '#shared/model/types.ts'
import { stateDefault } from '#shared/state-folder.ts'
import { bootdPort } from '#shared/wire/answering-end.ts'

/** Where bootd serves scripts and images, unless it is told otherwise. */
export const bootPort = 7480

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
  bootMode: Words(['off', 'full', 'proxy'], {
    description: 'What it does about DHCP where hosts boot over the network.',
    default: 'off'
  }),
  bootInterface: Type.String({
    pattern: '^[A-Za-z0-9_.-]{0,15}$',
    default: '',
    description: 'Network interface at which hosts boot, such as eth1.'
  }),
  bootVlan: Type.Integer({
    minimum: 0,
    maximum: 4_094,
    default: 0,
    description: 'VLAN on that interface; bootd makes INTERFACE.VLAN. 0: none.'
  }),
  bootAddress: Type.String({
    pattern: '^(\\d{1,3}(\\.\\d{1,3}){3}/\\d{1,2})?$',
    default: '',
    description:
      'Own address there with its prefix, such as 10.0.0.2/24, which the interface is given; ' +
      'empty: the one that it has.'
  }),
  bootRange: Type.String({
    pattern: '^(\\d{1,3}(\\.\\d{1,3}){3}-\\d{1,3}(\\.\\d{1,3}){3})?$',
    default: '',
    description: 'Addresses to give out in mode full, such as 10.0.0.50-10.0.0.250.'
  }),
  bootRouter: Type.String({
    pattern: '^(\\d{1,3}(\\.\\d{1,3}){3})?$',
    default: '',
    description: 'Router that hosts are told of in mode full; empty: none.'
  }),
  bootDns: Type.String({
    pattern: '^(\\d{1,3}(\\.\\d{1,3}){3}(,(?=\\d)|$)){0,4}$',
    default: '',
    description: 'Name servers that hosts are told of in mode full, with commas between.'
  }),
  bootLeaseS: Type.Integer({
    minimum: 900,
    maximum: 604_800,
    default: 3_600,
    description:
      'How long an address is given for in mode full. Unit: s. No less than 900: the first stage ' +
      'asks for its address once and fetches the image with it, which takes minutes.'
  }),
  bootLoader: Words(['ipxe', 'signed'], {
    description:
      'What UEFI firmware is given first: iPXE, or shim and GRUB as signed for Secure Boot.',
    default: 'ipxe'
  }),
  bootPort: Type.Integer({
    minimum: 0,
    maximum: 65_535,
    default: bootPort,
    description: 'TCP port of scripts and images on the boot network; 0: any.'
  }),
  bootTransfersMax: Type.Integer({
    minimum: 1,
    maximum: 1_024,
    default: 256,
    description: 'Files of images that are sent at once; who comes later waits.'
  }),
  bootClientMibPerS: Type.Integer({
    minimum: 0,
    maximum: 100_000,
    default: 0,
    description: 'How fast one machine may fetch. Unit: MiB/s; 0: as fast as it goes.'
  }),
  bootFreeMibMin: Type.Integer({
    minimum: 0,
    maximum: 1_048_576,
    default: 2_048,
    description:
      'Where less space is free, image versions that nobody wants are removed. Unit: MiB.'
  }),
  bootLogMibMax: Type.Integer({
    minimum: 16,
    maximum: 1_048_576,
    default: 512,
    description: 'How much is kept of what hosts say in their logs, of all of them. Unit: MiB.'
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
