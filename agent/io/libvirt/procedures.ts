/**
 * The part of libvirt's remote protocol that we speak, under the protocol's own names.
 * Written by tools/libvirt-rpc.ts from tools/libvirt-rpc.json: change those.
 */
import {
  array,
  type Codec,
  fixedArray,
  fixedOpaque,
  hyper,
  int,
  nothing,
  opaque,
  optional,
  string,
  struct,
  typedValue,
  uhyper,
  uint,
  type ValueOf
} from './xdr.ts'

/** libvirt's main program, which all these procedures belong to. */
export const remoteProgram = { number: 0x20008086, version: 1 } as const

const authListRet = struct({ types: array(uint) })
const authPolkitRet = struct({ complete: int })
const connectDomainEventCallbackDeregisterAnyArgs = struct({ callbackId: int })
const domain = struct({ name: string, uuid: fixedOpaque(16), id: int })
const connectDomainEventCallbackRegisterAnyArgs = struct({ eventId: int, dom: optional(domain) })
const connectDomainEventCallbackRegisterAnyRet = struct({ callbackId: int })
const connectGetAllDomainStatsArgs = struct({ doms: array(domain), stats: uint, flags: uint })
const typedParam = struct({ field: string, value: typedValue })
const domainStatsRecord = struct({ dom: domain, params: array(typedParam) })
const connectGetAllDomainStatsRet = struct({ retStats: array(domainStatsRecord) })
const connectGetCapabilitiesRet = struct({ capabilities: string })
const connectGetDomainCapabilitiesArgs = struct({
  emulatorbin: optional(string),
  arch: optional(string),
  machine: optional(string),
  virttype: optional(string),
  flags: uint
})
const connectGetDomainCapabilitiesRet = struct({ capabilities: string })
const connectGetHostnameRet = struct({ hostname: string })
const connectGetLibVersionRet = struct({ libVer: uhyper })
const connectGetTypeRet = struct({ type: string })
const connectGetVersionRet = struct({ hvVer: uhyper })
const connectListAllDomainsArgs = struct({ needResults: int, flags: uint })
const connectListAllDomainsRet = struct({ domains: array(domain), ret: uint })
const connectOpenArgs = struct({ name: optional(string), flags: uint })
const connectSupportsFeatureArgs = struct({ feature: int })
const connectSupportsFeatureRet = struct({ supported: int })
const domainMigrateStartPostCopyArgs = struct({ dom: domain, flags: uint })
const domainAbortJobArgs = struct({ dom: domain })
const domainAttachDeviceFlagsArgs = struct({ dom: domain, xml: string, flags: uint })
const domainBlockResizeArgs = struct({ dom: domain, disk: string, size: uhyper, flags: uint })
const domainBlockStatsArgs = struct({ dom: domain, path: string })
const domainBlockStatsRet = struct({
  rdReq: hyper,
  rdBytes: hyper,
  wrReq: hyper,
  wrBytes: hyper,
  errs: hyper
})
const domainCreateWithFlagsArgs = struct({ dom: domain, flags: uint })
const domainCreateWithFlagsRet = struct({ dom: domain })
const domainCreateXmlArgs = struct({ xmlDesc: string, flags: uint })
const domainCreateXmlRet = struct({ dom: domain })
const domainDefineXmlArgs = struct({ xml: string })
const domainDefineXmlRet = struct({ dom: domain })
const domainDestroyFlagsArgs = struct({ dom: domain, flags: uint })
const domainDetachDeviceFlagsArgs = struct({ dom: domain, xml: string, flags: uint })
const domainEventBalloonChangeMsg = struct({ dom: domain, actual: uhyper })
const domainEventBlockJob2Msg = struct({
  callbackId: int,
  dom: domain,
  dst: string,
  type: int,
  status: int
})
const domainEventCallbackAgentLifecycleMsg = struct({
  callbackId: int,
  dom: domain,
  state: int,
  reason: int
})
const domainEventCallbackBalloonChangeMsg = struct({
  callbackId: int,
  msg: domainEventBalloonChangeMsg
})
const domainEventCallbackDeviceAddedMsg = struct({ callbackId: int, dom: domain, devAlias: string })
const domainEventCallbackDeviceRemovalFailedMsg = struct({
  callbackId: int,
  dom: domain,
  devAlias: string
})
const domainEventDeviceRemovedMsg = struct({ dom: domain, devAlias: string })
const domainEventCallbackDeviceRemovedMsg = struct({
  callbackId: int,
  msg: domainEventDeviceRemovedMsg
})
const domainEventIoErrorReasonMsg = struct({
  dom: domain,
  srcPath: string,
  devAlias: string,
  action: int,
  reason: string
})
const domainEventCallbackIoErrorReasonMsg = struct({
  callbackId: int,
  msg: domainEventIoErrorReasonMsg
})
const domainEventCallbackJobCompletedMsg = struct({
  callbackId: int,
  dom: domain,
  params: array(typedParam)
})
const domainEventLifecycleMsg = struct({ dom: domain, event: int, detail: int })
const domainEventCallbackLifecycleMsg = struct({ callbackId: int, msg: domainEventLifecycleMsg })
const domainEventCallbackMetadataChangeMsg = struct({
  callbackId: int,
  dom: domain,
  type: int,
  nsuri: optional(string)
})
const domainEventRebootMsg = struct({ dom: domain })
const domainEventCallbackRebootMsg = struct({ callbackId: int, msg: domainEventRebootMsg })
const domainEventCallbackTunableMsg = struct({
  callbackId: int,
  dom: domain,
  params: array(typedParam)
})
const domainEventWatchdogMsg = struct({ dom: domain, action: int })
const domainEventCallbackWatchdogMsg = struct({ callbackId: int, msg: domainEventWatchdogMsg })
const domainGetInfoArgs = struct({ dom: domain })
const domainGetInfoRet = struct({
  state: int,
  maxMem: uhyper,
  memory: uhyper,
  nrVirtCpu: int,
  cpuTime: uhyper
})
const domainGetJobStatsArgs = struct({ dom: domain, flags: uint })
const domainGetJobStatsRet = struct({ type: int, params: array(typedParam) })
const domainGetMetadataArgs = struct({ dom: domain, type: int, uri: optional(string), flags: uint })
const domainGetMetadataRet = struct({ metadata: string })
const domainGetStateArgs = struct({ dom: domain, flags: uint })
const domainGetStateRet = struct({ state: int, reason: int })
const domainGetXmlDescArgs = struct({ dom: domain, flags: uint })
const domainGetXmlDescRet = struct({ xml: string })
const domainInterfaceStatsArgs = struct({ dom: domain, device: string })
const domainInterfaceStatsRet = struct({
  rxBytes: hyper,
  rxPackets: hyper,
  rxErrs: hyper,
  rxDrop: hyper,
  txBytes: hyper,
  txPackets: hyper,
  txErrs: hyper,
  txDrop: hyper
})
const domainLookupByNameArgs = struct({ name: string })
const domainLookupByNameRet = struct({ dom: domain })
const domainLookupByUuidArgs = struct({ uuid: fixedOpaque(16) })
const domainLookupByUuidRet = struct({ dom: domain })
const domainMemoryStat = struct({ tag: int, val: uhyper })
const domainMemoryStatsArgs = struct({ dom: domain, maxStats: uint, flags: uint })
const domainMemoryStatsRet = struct({ stats: array(domainMemoryStat) })
const domainMigratePerform3ParamsArgs = struct({
  dom: domain,
  dconnuri: optional(string),
  params: array(typedParam),
  cookieIn: opaque,
  flags: uint
})
const domainMigratePerform3ParamsRet = struct({ cookieOut: opaque })
const domainMigrateGetMaxDowntimeArgs = struct({ dom: domain, flags: uint })
const domainMigrateGetMaxDowntimeRet = struct({ downtime: uhyper })
const domainMigrateSetMaxDowntimeArgs = struct({ dom: domain, downtime: uhyper, flags: uint })
const domainOpenConsoleArgs = struct({ dom: domain, devName: optional(string), flags: uint })
const domainRebootArgs = struct({ dom: domain, flags: uint })
const domainResetArgs = struct({ dom: domain, flags: uint })
const domainResumeArgs = struct({ dom: domain })
const domainSetMemoryFlagsArgs = struct({ dom: domain, memory: uhyper, flags: uint })
const domainSetMetadataArgs = struct({
  dom: domain,
  type: int,
  metadata: optional(string),
  key: optional(string),
  uri: optional(string),
  flags: uint
})
const domainSetVcpusFlagsArgs = struct({ dom: domain, nvcpus: uint, flags: uint })
const domainShutdownFlagsArgs = struct({ dom: domain, flags: uint })
const domainSuspendArgs = struct({ dom: domain })
const domainUndefineFlagsArgs = struct({ dom: domain, flags: uint })
const domainUpdateDeviceFlagsArgs = struct({ dom: domain, xml: string, flags: uint })
const network = struct({ name: string, uuid: fixedOpaque(16) })
const nodeGetInfoRet = struct({
  model: fixedArray(32, int),
  memory: uhyper,
  cpus: int,
  mhz: int,
  nodes: int,
  sockets: int,
  cores: int,
  threads: int
})
const storagePool = struct({ name: string, uuid: fixedOpaque(16) })
const storagePoolCreateXmlArgs = struct({ xml: string, flags: uint })
const storagePoolCreateXmlRet = struct({ pool: storagePool })
const storagePoolDestroyArgs = struct({ pool: storagePool })
const storagePoolLookupByNameArgs = struct({ name: string })
const storagePoolLookupByNameRet = struct({ pool: storagePool })
const storageVol = struct({ pool: string, name: string, key: string })
const storageVolCreateXmlArgs = struct({ pool: storagePool, xml: string, flags: uint })
const storageVolCreateXmlRet = struct({ vol: storageVol })
const storageVolDeleteArgs = struct({ vol: storageVol, flags: uint })
const storageVolDownloadArgs = struct({
  vol: storageVol,
  offset: uhyper,
  length: uhyper,
  flags: uint
})
const storageVolLookupByNameArgs = struct({ pool: storagePool, name: string })
const storageVolLookupByNameRet = struct({ vol: storageVol })
const storageVolUploadArgs = struct({
  vol: storageVol,
  offset: uhyper,
  length: uhyper,
  flags: uint
})
/** libvirt's account of why it refused a call. */
export const remoteError = struct({
  code: int,
  optDomain: int,
  message: optional(string),
  level: int,
  dom: optional(domain),
  str1: optional(string),
  str2: optional(string),
  str3: optional(string),
  int1: int,
  int2: int,
  net: optional(network)
})

/** A domain as the protocol names it: by name, UUID and, while it runs, a number. */
export type RemoteDomain = ValueOf<typeof domain>

/** One call: its number and what goes there and back. */
export type Procedure<Args, Ret> = {
  readonly number: number
  readonly args: Codec<Args>
  readonly ret: Codec<Ret>
}

/** All calls that we may make. */
export const procedures = {
  connectOpen: { number: 1, args: connectOpenArgs, ret: nothing },
  connectClose: { number: 2, args: nothing, ret: nothing },
  connectGetType: { number: 3, args: nothing, ret: connectGetTypeRet },
  connectGetVersion: { number: 4, args: nothing, ret: connectGetVersionRet },
  nodeGetInfo: { number: 6, args: nothing, ret: nodeGetInfoRet },
  connectGetCapabilities: { number: 7, args: nothing, ret: connectGetCapabilitiesRet },
  domainCreateXml: { number: 10, args: domainCreateXmlArgs, ret: domainCreateXmlRet },
  domainDefineXml: { number: 11, args: domainDefineXmlArgs, ret: domainDefineXmlRet },
  domainGetXmlDesc: { number: 14, args: domainGetXmlDescArgs, ret: domainGetXmlDescRet },
  domainGetInfo: { number: 16, args: domainGetInfoArgs, ret: domainGetInfoRet },
  domainLookupByName: { number: 23, args: domainLookupByNameArgs, ret: domainLookupByNameRet },
  domainLookupByUuid: { number: 24, args: domainLookupByUuidArgs, ret: domainLookupByUuidRet },
  domainReboot: { number: 27, args: domainRebootArgs, ret: nothing },
  domainResume: { number: 28, args: domainResumeArgs, ret: nothing },
  domainSuspend: { number: 34, args: domainSuspendArgs, ret: nothing },
  connectGetHostname: { number: 59, args: nothing, ret: connectGetHostnameRet },
  connectSupportsFeature: {
    number: 60,
    args: connectSupportsFeatureArgs,
    ret: connectSupportsFeatureRet
  },
  domainBlockStats: { number: 64, args: domainBlockStatsArgs, ret: domainBlockStatsRet },
  domainInterfaceStats: {
    number: 65,
    args: domainInterfaceStatsArgs,
    ret: domainInterfaceStatsRet
  },
  authList: { number: 66, args: nothing, ret: authListRet },
  authPolkit: { number: 70, args: nothing, ret: authPolkitRet },
  storagePoolCreateXml: {
    number: 76,
    args: storagePoolCreateXmlArgs,
    ret: storagePoolCreateXmlRet
  },
  storagePoolDestroy: { number: 80, args: storagePoolDestroyArgs, ret: nothing },
  storagePoolLookupByName: {
    number: 84,
    args: storagePoolLookupByNameArgs,
    ret: storagePoolLookupByNameRet
  },
  storageVolCreateXml: { number: 93, args: storageVolCreateXmlArgs, ret: storageVolCreateXmlRet },
  storageVolDelete: { number: 94, args: storageVolDeleteArgs, ret: nothing },
  storageVolLookupByName: {
    number: 95,
    args: storageVolLookupByNameArgs,
    ret: storageVolLookupByNameRet
  },
  connectGetLibVersion: { number: 157, args: nothing, ret: connectGetLibVersionRet },
  domainMemoryStats: { number: 159, args: domainMemoryStatsArgs, ret: domainMemoryStatsRet },
  domainAttachDeviceFlags: { number: 160, args: domainAttachDeviceFlagsArgs, ret: nothing },
  domainDetachDeviceFlags: { number: 161, args: domainDetachDeviceFlagsArgs, ret: nothing },
  domainMigrateStartPostCopy: { number: 364, args: domainMigrateStartPostCopyArgs, ret: nothing },
  domainAbortJob: { number: 164, args: domainAbortJobArgs, ret: nothing },
  domainMigrateSetMaxDowntime: { number: 166, args: domainMigrateSetMaxDowntimeArgs, ret: nothing },
  domainMigrateGetMaxDowntime: {
    number: 387,
    args: domainMigrateGetMaxDowntimeArgs,
    ret: domainMigrateGetMaxDowntimeRet
  },
  domainUpdateDeviceFlags: { number: 174, args: domainUpdateDeviceFlagsArgs, ret: nothing },
  domainCreateWithFlags: {
    number: 196,
    args: domainCreateWithFlagsArgs,
    ret: domainCreateWithFlagsRet
  },
  domainSetVcpusFlags: { number: 199, args: domainSetVcpusFlagsArgs, ret: nothing },
  domainOpenConsole: { number: 201, args: domainOpenConsoleArgs, ret: nothing },
  domainSetMemoryFlags: { number: 204, args: domainSetMemoryFlagsArgs, ret: nothing },
  storageVolUpload: { number: 208, args: storageVolUploadArgs, ret: nothing },
  storageVolDownload: { number: 209, args: storageVolDownloadArgs, ret: nothing },
  domainGetState: { number: 212, args: domainGetStateArgs, ret: domainGetStateRet },
  domainUndefineFlags: { number: 231, args: domainUndefineFlagsArgs, ret: nothing },
  domainDestroyFlags: { number: 234, args: domainDestroyFlagsArgs, ret: nothing },
  domainReset: { number: 245, args: domainResetArgs, ret: nothing },
  domainBlockResize: { number: 251, args: domainBlockResizeArgs, ret: nothing },
  domainShutdownFlags: { number: 258, args: domainShutdownFlagsArgs, ret: nothing },
  domainSetMetadata: { number: 264, args: domainSetMetadataArgs, ret: nothing },
  domainGetMetadata: { number: 265, args: domainGetMetadataArgs, ret: domainGetMetadataRet },
  connectListAllDomains: {
    number: 273,
    args: connectListAllDomainsArgs,
    ret: connectListAllDomainsRet
  },
  domainGetJobStats: { number: 298, args: domainGetJobStatsArgs, ret: domainGetJobStatsRet },
  domainMigratePerform3Params: {
    number: 305,
    args: domainMigratePerform3ParamsArgs,
    ret: domainMigratePerform3ParamsRet
  },
  connectDomainEventCallbackRegisterAny: {
    number: 316,
    args: connectDomainEventCallbackRegisterAnyArgs,
    ret: connectDomainEventCallbackRegisterAnyRet
  },
  connectDomainEventCallbackDeregisterAny: {
    number: 317,
    args: connectDomainEventCallbackDeregisterAnyArgs,
    ret: nothing
  },
  connectGetDomainCapabilities: {
    number: 342,
    args: connectGetDomainCapabilitiesArgs,
    ret: connectGetDomainCapabilitiesRet
  },
  connectGetAllDomainStats: {
    number: 344,
    args: connectGetAllDomainStatsArgs,
    ret: connectGetAllDomainStatsRet
  }
} as const

/** All messages that libvirtd may send unasked, by number. */
export const events = {
  318: { name: 'domainEventCallbackLifecycle', body: domainEventCallbackLifecycleMsg },
  319: { name: 'domainEventCallbackReboot', body: domainEventCallbackRebootMsg },
  321: { name: 'domainEventCallbackWatchdog', body: domainEventCallbackWatchdogMsg },
  324: { name: 'domainEventCallbackIoErrorReason', body: domainEventCallbackIoErrorReasonMsg },
  331: { name: 'domainEventCallbackBalloonChange', body: domainEventCallbackBalloonChangeMsg },
  333: { name: 'domainEventCallbackDeviceRemoved', body: domainEventCallbackDeviceRemovedMsg },
  339: { name: 'domainEventBlockJob2', body: domainEventBlockJob2Msg },
  346: { name: 'domainEventCallbackTunable', body: domainEventCallbackTunableMsg },
  348: { name: 'domainEventCallbackAgentLifecycle', body: domainEventCallbackAgentLifecycleMsg },
  354: { name: 'domainEventCallbackDeviceAdded', body: domainEventCallbackDeviceAddedMsg },
  363: { name: 'domainEventCallbackJobCompleted', body: domainEventCallbackJobCompletedMsg },
  367: {
    name: 'domainEventCallbackDeviceRemovalFailed',
    body: domainEventCallbackDeviceRemovalFailedMsg
  },
  379: { name: 'domainEventCallbackMetadataChange', body: domainEventCallbackMetadataChangeMsg }
} as const
