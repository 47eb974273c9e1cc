/** Where each group of facts is read; what the texts mean is said in core. */
import type { HostFacts } from '#shared/model/host-facts.ts'
import { parseCpu } from '../../core/hardware-cpu.ts'
import { parseDisk } from '../../core/hardware-disk.ts'
import { type IdentityText, parseTpm } from '../../core/hardware-identity.ts'
import { parseHugepages, parseMemoryTotal, parseNuma } from '../../core/hardware-memory.ts'
import { parseNic } from '../../core/hardware-nic.ts'
import { parsePciDevices } from '../../core/hardware-pci.ts'
import { plain } from '../../core/hardware-text.ts'
import { type Counters, parseCounters } from '../../core/use.ts'
import type { Tree } from './tree.ts'

const kernelFolder = '/proc/sys/kernel'

/** The kernel's boot id: another one after each boot. */
export const readBootId = async (tree: Tree): Promise<string | undefined> =>
  plain(await tree.read(`${kernelFolder}/random/boot_id`))

/** The name that the machine calls itself. */
export const readHostname = async (tree: Tree): Promise<string | undefined> =>
  plain(await tree.read(`${kernelFolder}/hostname`))

/** The kernel's release, such as 6.1.0-18-amd64. */
export const readKernel = async (tree: Tree): Promise<string | undefined> =>
  plain(await tree.read(`${kernelFolder}/osrelease`))

/**
 * What firmware says of the machine; the UUID and the serial number only root may read. A UUID that
 * is there but cannot be read is a failure, since a host without one makes one up.
 */
export async function readIdentity(tree: Tree): Promise<IdentityText> {
  const smbios = '/sys/class/dmi/id'
  const deviceTree = '/sys/firmware/devicetree/base'
  const [uuid, serial, vendor, product, treeModel, treeSerial] = await Promise.all([
    tree.readSurely(`${smbios}/product_uuid`),
    tree.read(`${smbios}/product_serial`),
    tree.read(`${smbios}/sys_vendor`),
    tree.read(`${smbios}/product_name`),
    tree.read(`${deviceTree}/model`),
    tree.read(`${deviceTree}/serial-number`)
  ])
  return { uuid, serial, vendor, product, treeModel, treeSerial }
}

/** Processors and how their threads share cores and packages. */
export async function readCpu(tree: Tree): Promise<HostFacts['cpu'] | undefined> {
  const folder = '/sys/devices/system/cpu'
  const cpuinfo = await tree.read('/proc/cpuinfo')
  if (cpuinfo === undefined) return undefined
  const names = (await tree.list(folder)).filter(name => /^cpu\d+$/.test(name))
  const threads = await Promise.all(
    names.map(async name => {
      const topology = `${folder}/${name}/topology`
      return {
        core:
          (await tree.read(`${topology}/core_cpus_list`)) ??
          (await tree.read(`${topology}/thread_siblings_list`)),
        package:
          (await tree.read(`${topology}/package_cpus_list`)) ??
          (await tree.read(`${topology}/core_siblings_list`))
      }
    })
  )
  // A thread that is offline has a folder, but nothing in it.
  return parseCpu(
    cpuinfo,
    threads.filter(thread => thread.core !== undefined)
  )
}

/** All memory of the machine, MiB. */
export async function readMemoryTotal(tree: Tree): Promise<number | undefined> {
  const meminfo = await tree.read('/proc/meminfo')
  return meminfo === undefined ? undefined : parseMemoryTotal(meminfo)
}

/** NUMA cells. */
export async function readNuma(tree: Tree): Promise<HostFacts['numa']> {
  const folder = '/sys/devices/system/node'
  const names = (await tree.list(folder)).filter(name => /^node\d+$/.test(name))
  const cells = await Promise.all(
    names.map(async name => ({
      name,
      cpulist: await tree.read(`${folder}/${name}/cpulist`),
      meminfo: await tree.read(`${folder}/${name}/meminfo`)
    }))
  )
  return parseNuma(cells)
}

/** Huge pages of each size. */
export async function readHugepages(tree: Tree): Promise<HostFacts['hugepages']> {
  const folder = '/sys/kernel/mm/hugepages'
  const sizes = await Promise.all(
    (await tree.list(folder)).map(async name => ({
      name,
      total: await tree.read(`${folder}/${name}/nr_hugepages`),
      free: await tree.read(`${folder}/${name}/free_hugepages`)
    }))
  )
  return parseHugepages(sizes)
}

/** Physical disks. */
export async function readDisks(tree: Tree): Promise<HostFacts['disks']> {
  const folder = '/sys/block'
  const disks = await Promise.all(
    (await tree.list(folder)).map(async name => {
      const at = `${folder}/${name}`
      const [path, size, rotational, hidden, model, serial, serialPage, wwid] = await Promise.all([
        tree.follow(at),
        tree.read(`${at}/size`),
        tree.read(`${at}/queue/rotational`),
        tree.read(`${at}/hidden`),
        tree.read(`${at}/device/model`),
        // NVMe keeps it beside the model, virtio beside the size.
        tree.read(`${at}/device/serial`).then(text => text ?? tree.read(`${at}/serial`)),
        tree.read(`${at}/device/vpd_pg80`),
        tree.read(`${at}/wwid`).then(text => text ?? tree.read(`${at}/device/wwid`))
      ])
      const text = { name, size, rotational, hidden, model, serial, serialPage, wwid }
      return parseDisk({ ...text, path: path ?? '' })
    })
  )
  return disks.filter(disk => disk !== undefined)
}

/** Physical and virtio network interfaces. */
export async function readNics(tree: Tree): Promise<HostFacts['nics']> {
  const folder = '/sys/class/net'
  const nics = await Promise.all(
    (await tree.list(folder)).map(async name => {
      const at = `${folder}/${name}`
      // Most interfaces of a busy host are taps: do not read a dozen files for each.
      if ((await tree.linkName(`${at}/device`)) === undefined) return undefined
      return parseNic({
        name,
        devicePath: await tree.follow(`${at}/device`),
        address: await tree.read(`${at}/address`),
        ownAddress: await tree.read(`${at}/bonding_slave/perm_hwaddr`),
        driver: await tree.linkName(`${at}/device/driver`),
        speed: await tree.read(`${at}/speed`),
        carrier: await tree.read(`${at}/carrier`),
        operstate: await tree.read(`${at}/operstate`),
        virtualFunctionsMax: await tree.read(`${at}/device/sriov_totalvfs`),
        virtualFunction: (await tree.linkName(`${at}/device/physfn`)) !== undefined,
        portName: await tree.read(`${at}/phys_port_name`)
      })
    })
  )
  return nics.filter(nic => nic !== undefined)
}

/** How busy processors, disks and interfaces have been. */
export async function readCounters(tree: Tree): Promise<Counters | undefined> {
  const folder = '/sys/class/net'
  const [stat, diskstats, names] = await Promise.all([
    tree.read('/proc/stat'),
    tree.read('/proc/diskstats'),
    tree.list(folder)
  ])
  const nics = await Promise.all(
    names.map(async name => {
      const at = `${folder}/${name}`
      if ((await tree.linkName(`${at}/device`)) === undefined) return undefined
      const [receivedBytes, sentBytes, speed] = await Promise.all([
        tree.read(`${at}/statistics/rx_bytes`),
        tree.read(`${at}/statistics/tx_bytes`),
        tree.read(`${at}/speed`)
      ])
      return { name, receivedBytes, sentBytes, speed }
    })
  )
  return parseCounters({ stat, diskstats, nics: nics.filter(nic => nic !== undefined) })
}

/** PCI devices that an instance may ask to have for itself. */
export async function readDevices(tree: Tree): Promise<HostFacts['devices']> {
  const folder = '/sys/bus/pci/devices'
  const devices = await Promise.all(
    (await tree.list(folder)).map(async address => {
      const at = `${folder}/${address}`
      return {
        address,
        class: await tree.read(`${at}/class`),
        vendor: await tree.read(`${at}/vendor`),
        device: await tree.read(`${at}/device`),
        driver: await tree.linkName(`${at}/driver`),
        virtualFunction: (await tree.linkName(`${at}/physfn`)) !== undefined,
        iommuGroup: await tree.linkName(`${at}/iommu_group`)
      }
    })
  )
  return [...parsePciDevices(devices)]
}

/** Version of the trusted platform module. */
export async function readTpm(tree: Tree): Promise<string | undefined> {
  const folder = '/sys/class/tpm/tpm0'
  return parseTpm({
    major: await tree.read(`${folder}/tpm_version_major`),
    caps: await tree.read(`${folder}/device/caps`)
  })
}

/**
 * Whether there is a baseboard management controller: its device node stands, or SMBIOS announces
 * one (structure type 38), whose driver may not be loaded.
 */
export async function readBmc(tree: Tree): Promise<boolean> {
  const nodes = await tree.list('/dev')
  if (nodes.some(name => /^ipmi\d+$/.test(name))) return true
  return (await tree.list('/sys/firmware/dmi/entries')).some(name => name.startsWith('38-'))
}
