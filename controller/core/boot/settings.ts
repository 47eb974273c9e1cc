/**
 * What operators have set of how machines boot: one record of the cloud. The image's versions are
 * by content; which of them there are is what bootds report, and is nowhere kept.
 */

/** How machines boot over the network. */
export type BootSettings = {
  /** Makes the secrets of hosts that join again; only candidates read the journal. */
  readonly key: string
  /** The version that hosts get, and the one before it. */
  readonly current?: string
  readonly previous?: string
  /** A version that some of the hosts get first: so many of a hundred, always the same ones. */
  readonly canary?: { readonly version: string; readonly percent: number }
  /** What machines get that nobody knows; left out: the host image, and they wait. */
  readonly unknown?: 'nothing'
  /** Whom to let in without asking; left out: nobody. */
  readonly policy?: BootPolicy
  /** Public key by which images must be signed, as signify writes it. */
  readonly imageKey?: string
  /** Keys with which operators log in to hosts. */
  readonly sshKeys?: readonly string[]
  /** Machines that an operator has told of before they came; they come in by themselves. */
  readonly expected?: readonly ExpectedMachine[]
  /** More of the kernel's command line, for every machine, such as console=ttyS1,115200. */
  readonly kernelOptions?: string
  /** A machine that has not joined after so long has failed to boot. Unit: s. */
  readonly joinWithinS?: number
  /** Hosts serve their image to others that boot; left out: bootds alone do. */
  readonly peers?: true
}

/** A machine that is to become a host, known by its UUID, its serial number or a MAC. */
export type ExpectedMachine = {
  /** Name of the host that it becomes. */
  readonly name: string
  readonly uuid?: string
  readonly serial?: string
  readonly macs: readonly string[]
  /** What it is pinned to; left out: nothing. */
  readonly version?: string
}

/** Machines that nobody knows and that may come in by themselves, by a token of their own. */
export type BootPolicy = {
  /** Id of the join token that counts them and ends it. */
  readonly token: string
  /** Ranges from which they may come; left out: any. */
  readonly subnets?: readonly string[]
}

/** Where nobody says: so long may a boot take. Unit: s. */
export const joinWithinSElse = 600
