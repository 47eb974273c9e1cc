/** Measures parts of Remuda on this machine: `npm run bench -- NAME`; without one, lists them. */

type Bench = (print: (line: string) => void) => Promise<void>
type Entry = {
  /** What is measured. */
  readonly says: string
  /** Loads the bench only when it is wanted: each brings its own part of the house along. */
  readonly load: () => Promise<Bench>
}

const benches: Readonly<Record<string, Entry>> = {
  libvirt: {
    says: 'calls to libvirt over its own protocol, against virsh',
    load: async () => (await import('./libvirt.ts')).libvirtBench
  },
  journal: {
    says: 'commits to the journal against bare synced puts; taking over a large cloud',
    load: async () => (await import('./journal.ts')).journalBench
  },
  journals: {
    says: 'commits to the journals that several candidates share: ZooKeeper, PostgreSQL',
    load: async () => (await import('./journals.ts')).journalsBench
  },
  zookeeper: {
    says: 'commits per second of a ZooKeeper session, against the client of the npm package',
    load: async () => (await import('./zookeeper.ts')).zookeeperBench
  },
  scale: {
    says: 'a controller with 100,000 instances: its start, its memory, its lists',
    load: async () => (await import('./scale.ts')).scaleBench
  },
  election: {
    says: 'kills of who leads a cloud of 100,000 instances: until the next one commits',
    load: async () => (await import('./election.ts')).electionBench
  },
  api: {
    says: 'requests per second, against a bare fastify that answers with the same documents',
    load: async () => (await import('./api.ts')).apiBench
  },
  mesh: {
    says: 'orders and reports of thousands of simulated agents, against a bare ROUTER',
    load: async () => (await import('./mesh.ts')).meshBench
  },
  create: {
    says: 'from the wish for an instance until it runs, on a real cloud of its own',
    load: async () => (await import('./create.ts')).createBench
  },
  migration: {
    says: 'how long an instance does not answer while it moves; --moves, --downtime, --memory',
    load: async () => (await import('./migration.ts')).migrationBench
  },
  drain: {
    says: 'a host with ten running VMs is emptied: gaps of each; --parallel, --bandwidth, --bound',
    load: async () => (await import('./drain.ts')).drainBench
  },
  balance: {
    says: 'a skewed lab of five hosts is levelled by live moves: how even it is, gaps of each VM',
    load: async () => (await import('./balance.ts')).balanceBench
  },
  roll: {
    says: 'five hosts boot anew, one after another: gaps of the VMs that leave and come back',
    load: async () => (await import('./roll.ts')).rollBench
  },
  reserve: {
    says: 'what the reserve costs a wish in clouds of up to 10,000 hosts',
    load: async () => (await import('./reserve.ts')).reserveBench
  },
  suspicion: {
    says: 'how soon the dead are known against living ones taken for dead; --host-hours, --seed',
    load: async () => (await import('./suspicion.ts')).suspicionBench
  },
  placement: {
    says: 'balancing and evacuation by the placement engine, against hbal of Ganeti; --long',
    load: async () => (await import('./placement/placement.ts')).placementBench
  },
  admission: {
    says: 'newcomers with a proof for every loss, against hail; --traces FOLDER, --seeds, --long',
    load: async () => (await import('./admission/admission.ts')).admissionBench
  },
  reassign: {
    says: 'machine reassignment of the ROADEF challenge against published results; --from FOLDER',
    load: async () => (await import('./reassign/reassign.ts')).reassignBench
  },
  'boot-storm': {
    says: '200 machines that boot at once, from bootd and from plain dnsmasq with nginx; --mib',
    load: async () => (await import('./boot-storm.ts')).bootStormBench
  },
  'boot-peers': {
    says: 'a rack that boots from bootd alone, and from hosts that serve; --machines, --mib',
    load: async () => (await import('./boot-peers.ts')).bootPeersBench
  },
  takeover: {
    says: 'from a power cut of the controller until another one commits; --times COUNT',
    load: async () => (await import('./takeover.ts')).takeoverBench
  },
  failover: {
    says: 'from a power cut until its instance answers elsewhere; --cuts, --seed, --without-device',
    load: async () => (await import('./failover.ts')).failoverBench
  }
}

const print = (line: string) => void process.stdout.write(`${line}\n`)

async function main(names: readonly string[]): Promise<number> {
  const unknown = names.filter(name => !(name in benches))
  if (names.length === 0 || unknown.length > 0) {
    if (unknown.length > 0) print(`cannot measure ${unknown.join(', ')}: there is no such bench`)
    const width = Math.max(...Object.keys(benches).map(name => name.length))
    for (const [name, { says }] of Object.entries(benches)) print(`${name.padEnd(width)}  ${says}`)
    return unknown.length > 0 ? 2 : 0
  }
  for (const name of names) await (await benches[name]!.load())(print)
  return 0
}

/** What a bench itself reads of the command line stands after the names. */
function namesIn(given: readonly string[]): readonly string[] {
  const options = given.findIndex(word => word.startsWith('--'))
  return options < 0 ? given : given.slice(0, options)
}

process.exitCode = await main(namesIn(process.argv.slice(2)))
