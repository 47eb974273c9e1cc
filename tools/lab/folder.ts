/** Where things are in a lab's folder; the same paths inside of its hosts and outside. */
import { join } from 'node:path'

/** Where a lab is when nothing else is said. */
export const labDefault = '/var/lib/remuda-lab'

/** Paths of a lab. */
export type LabFolder = ReturnType<typeof folderOf>

/** Says where a lab keeps what. */
export const folderOf = (folder: string) => ({
  folder,
  /** The plan: written before anything is made. */
  plan: join(folder, 'lab.json'),
  /** Where the keeper listens, and who it is. */
  socket: join(folder, 'lab.sock'),
  keeperRecord: join(folder, 'keeper.process'),
  keeperReady: join(folder, 'keeper.ready'),
  keeperLog: join(folder, 'keeper.log'),
  /** Name and password of the candidates at their ensemble. */
  ensembleSecret: join(folder, 'ensemble.secret'),
  /** Password of the hosts' baseboard controllers, and the program behind them. */
  bmcPassword: join(folder, 'bmc.secret'),
  bmc: join(folder, 'bmc'),
  /** Key with which root gets into machines that boot over the network. */
  machineKey: join(folder, 'machines.key'),
  /** Signs the certificates of the hosts. */
  authority: join(folder, 'authority'),
  /** The daemons' programs. */
  programs: join(folder, 'programs'),
  /** The pool that all hosts see. */
  shared: join(folder, 'shared'),
  /** Where their virtlockd hold the locks of its volumes, in a lab with locks. */
  locks: join(folder, 'locks'),
  hosts: join(folder, 'hosts')
})

/** Paths of one host, as seen from outside. */
export type HostFolder = ReturnType<typeof hostFolderOf>

/** Says where a host keeps what; `run` is emptied when its power comes on, all else stays. */
export function hostFolderOf(folder: string, host: string) {
  const own = join(folder, 'hosts', host)
  return {
    own,
    run: join(own, 'run'),
    libvirt: join(own, 'libvirt'),
    libvirtLog: join(own, 'libvirt-log'),
    libvirtCache: join(own, 'libvirt-cache'),
    libvirtEtc: join(own, 'libvirt-etc'),
    etc: join(own, 'etc'),
    log: join(own, 'log'),
    bootId: join(own, 'boot-id'),
    /** Bound to where Remuda keeps its state on every host. */
    state: join(own, 'state'),
    zookeeper: join(own, 'zookeeper'),
    clock: join(own, 'clock'),
    /** Of its baseboard controller: certificate, files and log. */
    bmc: join(own, 'bmc'),
    /** What it sees of its watchdog, in a lab that has them. */
    watchdog: join(own, 'watchdog'),
    /** Program by which the host has its own power cycled. */
    reboot: join(own, 'reboot')
  }
}

/** The administrator's socket of the controller on a host, as the machine sees it. */
export const adminSocketOf = (folder: string, host: string): string =>
  join(hostFolderOf(folder, host).state, 'run/admin.sock')
