/** Faults that are drawn from the seed, each of which ends by itself after a while. */
import { Fault } from '#shared/fault.ts'
import type { SimulatedCloud } from './simulated-cloud.ts'

type Strike = (cloud: SimulatedCloud, whileMs: number) => Promise<void>

/** One of them; who leads is hit more often than others. */
const nameOf = ({ programs, leaders, chance }: SimulatedCloud): string => {
  const names = [...programs.keys()]
  const leader = leaders[0]?.name
  return chance() < 0.6 && leader ? leader : (names[Math.floor(chance() * names.length)] ?? '')
}

const hostOf = ({ hosts, chance }: SimulatedCloud) =>
  [...hosts.values()][Math.floor(chance() * hosts.size)]!

const busy = new WeakSet<object>()

/** Hosts are switched by one at a time. */
async function alone(thing: object, work: () => Promise<void>): Promise<void> {
  if (busy.has(thing)) return
  busy.add(thing)
  await work().finally(() => busy.delete(thing))
}

const faults: Readonly<Record<string, Strike>> = {
  'candidate killed': (cloud, whileMs) => cloud.kill(nameOf(cloud), whileMs),
  'candidate paused': (cloud, whileMs) => cloud.pause(nameOf(cloud), 2 * whileMs),
  'ensemble out of reach': async (cloud, whileMs) => {
    const name = nameOf(cloud)
    const session = cloud.programs.get(name)?.session
    if (!session) return
    cloud.shutOut.add(name)
    cloud.ensemble.cut(session)
    await cloud.clock.sleep(whileMs)
    cloud.shutOut.delete(name)
    const now = cloud.programs.get(name)?.session
    for (const each of new Set([session, now])) if (each) cloud.ensemble.heal(each)
  },
  'ensemble silent': async (cloud, whileMs) => {
    const session = cloud.programs.get(nameOf(cloud))?.session
    if (!session) return
    cloud.ensemble.hold(session)
    await cloud.clock.sleep(whileMs)
    cloud.ensemble.release(session)
  },
  'replies lost': async cloud => {
    const session = cloud.programs.get(nameOf(cloud))?.session
    if (session) cloud.ensemble.loseReplies(session, 1 + Math.floor(3 * cloud.chance()))
  },
  'requests lost': async cloud => {
    const session = cloud.programs.get(nameOf(cloud))?.session
    if (session) cloud.ensemble.loseRequests(session, 1 + Math.floor(3 * cloud.chance()))
  },
  'server behind': async cloud => {
    const session = cloud.programs.get(nameOf(cloud))?.session
    if (session) cloud.ensemble.fallBehind(session)
  },
  'session expired': async cloud => {
    const session = cloud.programs.get(nameOf(cloud))?.session
    // No ensemble ends a session before its time; only who holds no lease may see it so.
    if (session && session.leaseUntil() === undefined) cloud.ensemble.expire(session)
  },
  'candidacy removed': async cloud => cloud.rob(),
  'candidacy removed when just elected': async (cloud, whileMs) => {
    await cloud.anotherFirst(2 * whileMs)
    await cloud.clock.sleep(40 * cloud.chance())
    cloud.rob()
  },
  'quorum lost': async (cloud, whileMs) => {
    if (!cloud.ensemble.runs) return
    cloud.ensemble.stop()
    await cloud.clock.sleep(whileMs)
    cloud.ensemble.start()
  },
  'all hosts out of reach': async (cloud, whileMs) => {
    const program = cloud.programs.get(nameOf(cloud))
    program?.mesh.cutOff()
    await cloud.clock.sleep(whileMs)
    program?.mesh.rejoin()
  },
  'host out of reach': async (cloud, whileMs) => {
    const { id } = hostOf(cloud)
    cloud.net.cut(id)
    await cloud.clock.sleep(whileMs)
    cloud.net.mend(id)
  },
  'messages held': async (cloud, whileMs) => {
    const { id } = hostOf(cloud)
    cloud.net.hold(id)
    await cloud.clock.sleep(2 * whileMs)
    cloud.net.unhold(id)
  },
  'messages late': async (cloud, whileMs) => {
    const { id } = hostOf(cloud)
    cloud.net.hold(id)
    await cloud.clock.sleep(whileMs / 4)
    const late = cloud.net.way(id).held?.splice(0) ?? []
    cloud.net.unhold(id)
    await cloud.clock.sleep(2 * whileMs)
    for (const deliver of late) deliver()
  },
  'messages lost': async cloud => {
    cloud.net.lose(hostOf(cloud).id, 1 + Math.floor(6 * cloud.chance()))
  },
  'agent killed': async (cloud, whileMs) => {
    const host = hostOf(cloud)
    await alone(host, async () => {
      await host.stop()
      await cloud.clock.sleep(whileMs)
      await host.start(cloud)
    })
  },
  'host power-cycled': async (cloud, whileMs) => {
    const host = hostOf(cloud)
    await alone(host, async () => {
      cloud.powerCuts.set(host.name, (cloud.powerCuts.get(host.name) ?? 0) + 1)
      await host.powerCut()
      await cloud.clock.sleep(whileMs)
      await host.start(cloud)
    })
  },
  'libvirt refuses': async cloud => {
    const { hypervisor } = hostOf(cloud)
    const methods = ['create', 'destroy', 'shutdown', 'migrate', 'suspend', 'resume'] as const
    const method = methods[Math.floor(cloud.chance() * methods.length)]!
    hypervisor.failNext(method, new Fault('hypervisor', `cannot ${method}: chance has it so`))
  },
  'libvirt silent': async cloud => {
    const { hypervisor } = hostOf(cloud)
    const fault = new Fault('unavailable', 'cannot list domains: libvirt does not answer')
    for (let count = 1 + 5 * cloud.chance(); count > 0; count--) {
      hypervisor.failNext('domains', fault)
    }
  },
  'migration uncertain': async cloud => hostOf(cloud).hypervisor.loseNextReply(),
  'guest crashed': async cloud => {
    const { hypervisor } = hostOf(cloud)
    const running = hypervisor.all.filter(({ state }) => state === 'running')
    const domain = running[Math.floor(cloud.chance() * running.length)]
    if (!domain) return
    cloud.disturbed.add(domain.uuid)
    hypervisor.kill(domain, { silently: cloud.chance() < 0.5 })
  },
  'guest deaf': async (cloud, whileMs) => {
    const { hypervisor } = hostOf(cloud)
    const deaf = hypervisor.all
    for (const domain of deaf) hypervisor.setObeys(domain, false)
    await cloud.clock.sleep(whileMs)
    const here = new Set(hypervisor.all.map(({ uuid }) => uuid))
    for (const domain of deaf) if (here.has(domain.uuid)) hypervisor.setObeys(domain, true)
  },
  'storage fails': async cloud => {
    const { storage } = hostOf(cloud)
    const methods = ['createVolume', 'removeVolume', 'openPool', 'writeSeed'] as const
    const method = methods[Math.floor(cloud.chance() * methods.length)]!
    storage.failNext(method, new Fault('unavailable', `cannot do ${method}: chance has it so`))
  },
  'disk of the agent full': async (cloud, whileMs) => {
    const { keeper } = hostOf(cloud)
    keeper.fails = true
    await cloud.clock.sleep(whileMs)
    keeper.fails = false
  },
  'clock jumped': async cloud => {
    cloud.clock.jump((cloud.chance() - 0.5) * 7_200_000)
  },
  'stepped down': async cloud => {
    const leader = cloud.leaders[0]
    if (leader && !leader.freezer.isFrozen) {
      await leader.candidate.service.cluster.stepDown('chance has it so').catch(() => {})
    }
  }
}

const names = Object.keys(faults)

/** Names of all faults. */
export const faultNames: readonly string[] = names

/** Makes one fault; resolves when it is mended. */
export async function strike(cloud: SimulatedCloud): Promise<void> {
  const { chance } = cloud
  const name = names[Math.floor(chance() * names.length)]!
  const whileMs = chance() < 0.5 ? 600 * chance() : 9_000 * chance()
  cloud.count(name)
  await faults[name]!(cloud, whileMs)
}
