/** Faults that are drawn from the seed; each is mended by itself after a while. */
import type { Ms } from '#shared/units.ts'
import { arm, disarm } from '../../../controller/core/admission/healing.ts'
import type { LeanCloud } from './cloud.ts'
import type { LeanController } from './controller.ts'
import type { DeviceMode, Machine } from './machine.ts'

type Strike = (cloud: LeanCloud, whileMs: Ms) => void

/** One of many. */
export const oneOf = <One>(some: readonly One[], chance: () => number): One =>
  some[Math.floor(chance() * some.length)]!

const anyMachine = ({ machines, chance }: LeanCloud): Machine => oneOf(machines, chance)

/** One that nothing but its own watchdog can prove off, where there is one. */
function selfFencer({ machines, founded, chance }: LeanCloud): Machine {
  const some = machines.filter(({ index }) => founded.hosts[index - 1]!.means === 'watchdog')
  return oneOf(some.length > 0 ? some : machines, chance)
}

/** Who leads is hit more often than others. */
const anyController = ({ controllers, leader, chance }: LeanCloud) =>
  (chance() < 0.7 && leader) || oneOf(controllers, chance)

/** So many machines, of one rack or of any. */
function someMachines({ machines, chance }: LeanCloud, count: number): readonly Machine[] {
  const first = Math.floor(chance() * machines.length)
  const isRow = chance() < 0.5
  return Array.from({ length: count }, (_, at) =>
    isRow ? machines[(first + at) % machines.length]! : oneOf(machines, chance)
  )
}

const cutPower = (cloud: LeanCloud, machine: Machine, whileMs: Ms): void => {
  if (!machine.isOn || cloud.isMended) return
  machine.powerOff()
  cloud.timeline.after(whileMs, () => machine.powerOn())
}

const islandOf = (cloud: LeanCloud, machines: readonly Machine[], whileMs: Ms): void => {
  if (cloud.isMended) return
  const island = 1 + Math.floor(cloud.chance() * 1_000_000)
  for (const machine of machines) machine.island = island
  cloud.timeline.after(whileMs, () => {
    for (const machine of machines) if (machine.island === island) machine.island = 0
  })
}

const deviceIs =
  (mode: DeviceMode): Strike =>
  (cloud, whileMs) => {
    const machine = anyMachine(cloud)
    machine.device = mode
    cloud.timeline.after(4 * whileMs, () => {
      if (machine.device === mode) machine.device = 'answers'
    })
  }

/** A device that fails is no matter until it is needed: its host is cut off then, or hangs. */
const needsDevice =
  (mode: DeviceMode, cutOffShare = 0.5): Strike =>
  (cloud, whileMs) => {
    const machine = anyMachine(cloud)
    machine.device = mode
    cloud.timeline.after(2 * whileMs, () => {
      if (machine.device === mode) machine.device = 'answers'
    })
    if (cloud.chance() < cutOffShare) islandOf(cloud, [machine], whileMs)
    else hang(cloud, machine, whileMs)
  }

const hang = ({ timeline }: LeanCloud, machine: Machine, whileMs: Ms): void => {
  if (!machine.runs) return
  machine.hangs = true
  const { turns } = machine
  timeline.after(whileMs, () => {
    if (machine.turns === turns) wake(machine)
  })
}

const goesOn = new WeakMap<Machine, () => void>()
/** Who stood still with a machine goes on with it. */
export const whenAwake = (machine: Machine, act: () => void): void => void goesOn.set(machine, act)
const wake = (machine: Machine): void => {
  machine.hangs = false
  goesOn.get(machine)?.()
}

/** Somebody changes something of an instance there: its host has another order from then on. */
function touch(leader: LeanController, { name }: Machine): void {
  for (const id of [...leader.view.indexes.of('host-instances', name)]) {
    const instance = leader.view.get('instance', id)
    if (!instance) continue
    const labels = { ...instance.labels, at: String(leader.view.position) }
    leader.wish({ verb: 'change', kind: 'instance', id, spec: instance.spec, labels })
  }
}

/** What was held on the way to a machine comes one after the other, so far apart. Unit: ms. */
const heldApartMs: Ms = 60

/** Lets through what was held on the way to a machine. */
export function release({ timeline }: LeanCloud, machine: Machine): void {
  const { held } = machine
  machine.held = undefined
  for (const [at, arrive] of (held ?? []).entries()) timeline.after(heldApartMs * at, arrive)
}

/** Sets something of a machine, and takes it back. */
const turned =
  (set: (machine: Machine, isBad: boolean, chance: () => number) => void, times = 1): Strike =>
  (cloud, whileMs) => {
    const machine = anyMachine(cloud)
    set(machine, true, cloud.chance)
    cloud.timeline.after(times * whileMs, () => set(machine, false, cloud.chance))
  }

/** All of them, by name. */
export const strikes: Readonly<Record<string, Strike>> = {
  'power cut': (cloud, whileMs) => cutPower(cloud, anyMachine(cloud), whileMs),
  'power cut with its device': (cloud, whileMs) => {
    const machine = anyMachine(cloud)
    machine.isBroken = true
    machine.powerOff()
    cloud.timeline.after(2 * whileMs, () => {
      machine.isBroken = false
      machine.powerOn()
    })
  },
  'power blip': cloud => anyMachine(cloud).reset(),
  'power cut of several': (cloud, whileMs) => {
    const count = 2 + Math.floor(cloud.chance() * cloud.machines.length * 0.6)
    for (const machine of someMachines(cloud, count)) cutPower(cloud, machine, whileMs)
  },
  'power cut of all': (cloud, whileMs) => {
    if (cloud.chance() < 0.8) return
    for (const machine of cloud.machines) {
      cutPower(cloud, machine, whileMs * (0.5 + cloud.chance()))
    }
  },
  'power cut of who leads': (cloud, whileMs) =>
    cutPower(cloud, anyController(cloud).machine, whileMs),
  'machine hangs': (cloud, whileMs) => hang(cloud, anyMachine(cloud), 2 * whileMs),
  'agent killed': (cloud, whileMs) => {
    const agent = cloud.agentOf(anyMachine(cloud))
    agent.stop()
    cloud.timeline.after(cloud.chance() < 0.7 ? 2_000 : whileMs, () => agent.start())
  },
  'agent stands still': (cloud, whileMs) => {
    const agent = cloud.agentOf(anyMachine(cloud))
    agent.isPaused = true
    cloud.timeline.after(2 * whileMs, () => agent.goOn())
  },
  'device dead': needsDevice('dead'),
  'device lies': needsDevice('lying'),
  'device lies, and its host writes': needsDevice('lying', 1),
  'device stuck': needsDevice('stuck'),
  'device slow': needsDevice('slow'),
  'device flickers': needsDevice('flickers'),
  'device refuses': needsDevice('refuses'),
  'device dead for long': deviceIs('dead'),
  'rack cut off': (cloud, whileMs) => {
    const { rack } = anyMachine(cloud)
    islandOf(
      cloud,
      cloud.machines.filter(machine => machine.rack === rack),
      whileMs
    )
  },
  'host cut off': (cloud, whileMs) => islandOf(cloud, [anyMachine(cloud)], 2 * whileMs),
  'some cut off': (cloud, whileMs) => {
    const count = 1 + Math.floor(cloud.chance() * cloud.machines.length * 0.7)
    islandOf(cloud, someMachines(cloud, count), whileMs)
  },
  'cut one way': (cloud, whileMs) => {
    const machine = anyMachine(cloud)
    const isDeaf = cloud.chance() < 0.5
    for (const other of cloud.machines) {
      if (isDeaf) cloud.net.cut(other, machine)
      else cloud.net.cut(machine, other)
    }
    cloud.timeline.after(2 * whileMs, () => {
      for (const other of cloud.machines) {
        cloud.net.mend(other, machine)
        cloud.net.mend(machine, other)
      }
    })
  },
  'host cut off from who leads': (cloud, whileMs) => {
    const [machine, { machine: leader }] = [anyMachine(cloud), anyController(cloud)]
    if (machine === leader) return
    cloud.net.cut(machine, leader)
    cloud.net.cut(leader, machine)
    cloud.timeline.after(2 * whileMs, () => {
      cloud.net.mend(machine, leader)
      cloud.net.mend(leader, machine)
    })
  },
  'line flaps': (cloud, whileMs) => {
    const machine = anyMachine(cloud)
    const beat = 400 + 4_000 * cloud.chance()
    for (let at = 0; at < 2 * whileMs; at += 2 * beat) {
      cloud.timeline.after(at, () => islandOf(cloud, [machine], beat))
    }
  },
  'line slow': turned((machine, isBad, chance) => {
    machine.delayMs = isBad ? 3_000 * chance() ** 2 : 0
    machine.loss = isBad ? 0.4 * chance() : 0
  }, 2),
  'orders held until it has booted': (cloud, whileMs) => {
    const { timeline, leader, chance } = cloud
    const machine = anyMachine(cloud)
    if (machine.held || !leader || leader.machine === machine) return
    machine.held = []
    touch(leader, machine)
    timeline.after(2_000 * chance(), () => cutPower(cloud, machine, 5_000 + whileMs))
    timeline.after(22_000 + 2 * whileMs * chance(), () => release(cloud, machine))
  },
  'candidate killed': cloud => {
    const controller = anyController(cloud)
    if (!controller.isRunning) return
    controller.stop()
    cloud.timeline.after(1_000 + 3_000 * cloud.chance(), () => controller.start())
  },
  'candidate stands still': (cloud, whileMs) => {
    const controller = anyController(cloud)
    controller.isPaused = true
    cloud.timeline.after(whileMs, () => controller.goOn())
  },
  'candidate cut off from the ensemble': (cloud, whileMs) => {
    const controller = anyController(cloud)
    controller.isShutOut = true
    cloud.timeline.after(whileMs, () => {
      controller.isShutOut = false
    })
  },
  'quorum lost': (cloud, whileMs) => {
    cloud.ensemble.hasQuorum = false
    cloud.timeline.after(whileMs, () => {
      cloud.ensemble.hasQuorum = true
    })
  },
  'ensemble slow': (cloud, whileMs) => {
    cloud.ensembleMs = 2_000 * cloud.chance()
    cloud.timeline.after(whileMs, () => {
      cloud.ensembleMs = 20
    })
  },
  'stepped down': cloud => cloud.leader?.end('stepped down'),
  'stepped down with words on their way': (cloud, whileMs) => {
    const { leader, timeline, chance } = cloud
    if (!leader) return
    const { machine } = leader
    machine.delayMs = 3_000
    cutPower(cloud, anyMachine(cloud), 10_000 + whileMs)
    timeline.after(2_600 + 1_500 * chance(), () => {
      if (cloud.leader === leader) leader.end('stepped down')
    })
    timeline.after(8_000, () => {
      machine.delayMs = 0
    })
  },
  'bootd killed': (cloud, whileMs) => {
    const bootd = oneOf(cloud.bootds, cloud.chance)
    bootd.stop()
    cloud.timeline.after(whileMs, () => bootd.start())
  },
  'all bootds killed': (cloud, whileMs) => {
    for (const bootd of cloud.bootds) {
      bootd.stop()
      cloud.timeline.after(2 * whileMs, () => bootd.start())
    }
  },
  'lost again while no bootd tells': (cloud, whileMs) => {
    const { timeline, bootds } = cloud
    const machine = anyMachine(cloud)
    const isCalm = bootds.every(({ isRunning }) => isRunning)
    if (machine.index <= bootds.length || !isCalm) return
    if (cloud.machines.some(({ isOn }) => !isOn)) return
    cutPower(cloud, machine, 9_000)
    // They end between the proof and what is asked of them then.
    const watch = (leftMs: Ms): void => {
      const host = cloud.leader?.view.named('host', machine.name)
      if (host?.decided.recovery?.phase === 'fenced') for (const bootd of bootds) bootd.stop()
      else if (leftMs > 0 && !cloud.isMended) timeline.after(20, () => watch(leftMs - 20))
    }
    watch(9_000)
    timeline.after(27_000, () => {
      const { leader } = cloud
      const some = [...(leader?.view.all('instance').values() ?? [])]
      const others = some.filter(({ spec, decided }) => spec.pool === 'far' && decided.host)
      if (!leader || others.length === 0) return
      leader.wish({ verb: 'move', id: oneOf(others, cloud.chance).id, to: machine.name })
    })
    timeline.after(34_000, () => islandOf(cloud, [machine], 10_000 + whileMs))
    timeline.after(48_000 + whileMs, () => {
      for (const bootd of bootds) bootd.start()
    })
  },
  'clock jumped': cloud => {
    const machine = cloud.chance() < 0.5 ? anyMachine(cloud) : anyController(cloud).machine
    machine.wallOffset += (cloud.chance() - 0.5) * 7_200_000
  },
  'clock jumped while hosts are cut off': (cloud, whileMs) => {
    const machine = selfFencer(cloud)
    islandOf(cloud, [machine], 15_000 + 2 * whileMs)
    cloud.timeline.after(5_000 + 5_000 * cloud.chance(), () => {
      const leader = cloud.leader?.machine
      if (leader) leader.wallOffset += 3_600_000
    })
  },
  'disk slow': turned((machine, isBad) => {
    machine.diskIsSlow = isBad
  }, 2),
  'disk full': turned((machine, isBad) => {
    machine.diskIsFull = isBad
  }, 2),
  'storage cut': turned((machine, isBad) => {
    machine.storageIsCut = isBad
  }, 2),
  'libvirt hangs': turned((machine, isBad) => {
    machine.libvirtHangs = isBad && machine.isOn
  }, 2),
  'libvirt hangs on a host cut off': (cloud, whileMs) => {
    const machine = selfFencer(cloud)
    const forMs = 27_000 + 2 * whileMs
    machine.libvirtHangs = machine.isOn
    islandOf(cloud, [machine], forMs)
    cloud.timeline.after(forMs, () => {
      machine.libvirtHangs = false
    })
  },
  'guests deaf': turned((machine, isBad) => {
    machine.guestsAreDeaf = isBad
  }, 3),
  'guest crashed': cloud => {
    const machine = anyMachine(cloud)
    const [uuid] = machine.domains.keys()
    if (uuid !== undefined) cloud.agentOf(machine).hands.crash(uuid)
  },
  'guest broken': (cloud, whileMs) => {
    const uuids = [...anyMachine(cloud).domains.keys()]
    if (uuids.length === 0) return
    const uuid = oneOf(uuids, cloud.chance)
    cloud.broken.add(uuid)
    for (const machine of cloud.machines) cloud.agentOf(machine).hands.crash(uuid)
    cloud.timeline.after(10_000 + 3 * whileMs, () => cloud.broken.delete(uuid))
  },
  'guests spoiled': (cloud, whileMs) => {
    const machine = anyMachine(cloud)
    machine.spoilsGuests = true
    for (const uuid of [...machine.domains.keys()]) cloud.agentOf(machine).hands.crash(uuid)
    cloud.timeline.after(10_000 + 2 * whileMs, () => {
      machine.spoilsGuests = false
    })
  },
  'storage slow': (cloud, whileMs) => {
    for (const machine of cloud.machines) machine.diskIsSlow = true
    cloud.timeline.after(whileMs, () => {
      for (const machine of cloud.machines) machine.diskIsSlow = false
    })
  },
  'mute while fences are disarmed': (cloud, whileMs) => {
    const { leader, timeline, net } = cloud
    const machine = selfFencer(cloud)
    if (!leader) return
    const because = 'work on the network'
    leader.submit(disarm(leader.view, { because }, leader.contextOf('user/admin')))
    for (const other of cloud.machines) net.cut(machine, other)
    timeline.after(45_000 + whileMs, () => {
      const now = cloud.leader
      if (now) now.submit(arm(now.view, now.contextOf('user/admin')))
    })
    timeline.after(75_000 + whileMs, () => {
      for (const other of cloud.machines) net.mend(machine, other)
    })
  },
  'cut off until the ensemble is slow': (cloud, whileMs) => {
    const machine = selfFencer(cloud)
    const forMs = 50_000 + whileMs
    islandOf(cloud, [machine], forMs)
    cloud.timeline.after(forMs - 500, () => {
      if (!cloud.isMended) cloud.ensembleMs = 2_000
    })
    cloud.timeline.after(forMs + 6_000, () => {
      cloud.ensembleMs = 20
    })
  },
  'watchdog busy': (cloud, whileMs) => {
    const machine = selfFencer(cloud)
    if (!machine.dog) return
    machine.dog.isBusy = true
    cutPower(cloud, machine, 100)
    cloud.timeline.after(30_000 + whileMs, () => islandOf(cloud, [machine], 4 * whileMs))
    cloud.timeline.after(40_000 + 5 * whileMs, () => {
      machine.dog!.isBusy = false
    })
  }
}
