/**
 * What befalls hosts of a lab in a chaos run, and what must come of it: who is fenced and by what,
 * and who is not. Each strikes, waits for its end, and mends what it has done.
 */
import type { Switchboard } from '../lab/bmc/place.ts'
import type { BmcManner } from '../lab/protocol.ts'
import { rackFaults } from './healing-racks.ts'
import {
  confirmOff,
  decided,
  fenceBy,
  type HealingFault,
  type HealingScene,
  movesAfter,
  nothingLeaves,
  staysOff,
  triedInVain,
  victim,
  wants
} from './healing-scene.ts'

/** What must not be fenced is watched for so long. Unit: ms. */
const watchedMs = 20_000
/**
 * An agent may stand still for less than fifteen seconds, as one that is starved does. Unit: ms.
 */
const brieflyMs = 9_000
/** A line that is slow, and one through which nothing useful comes. */
const slowLine = { delayMs: 200, loss: 0.05 }
const brokenLine = { delayMs: 50, loss: 0.97 }

/** All of them, by what is said of them. */
export const healingFaults: Readonly<Record<string, HealingFault>> = {
  'power cut, IPMI': scene => powerCut(scene, 'ipmi', /IPMI at .* read off twice/),
  'power cut, Redfish': scene => powerCut(scene, 'redfish', /Redfish at .* read off twice/),
  'power cut, switch': scene => powerCut(scene, 'lab', /lab switch of .* read off twice/),
  "power cut of the controller's host": async scene => {
    const { lab, leader } = scene
    const tookMs = await movesAfter(scene, [leader], () => lab.power(leader, 'off'))
    return { whom: leader, fenced: [leader], tookMs }
  },
  'BMC dead with its host, and a second level': async scene => {
    const { lab } = scene
    const host = victim(scene)
    await fenceBy(scene, host, ['ipmi', 'lab'])
    const tookMs = await movesAfter(scene, [host], () => lab.power(host, 'off', { withBmc: true }))
    const { because } = await decided(scene, host, 'fenced')
    wants(because, /level 2 of 2: lab switch/)
    await fenceBy(scene, host)
    return { whom: host, fenced: [host], tookMs }
  },
  'BMC dead with its host, and nothing else': async scene => {
    const { lab, leader } = scene
    const host = victim(scene, [leader])
    await fenceBy(scene, host, ['redfish'])
    await lab.power(host, 'off', { withBmc: true })
    await decided(scene, host, 'fencing')
    await triedInVain(scene, host)
    await nothingLeaves(scene, host, watchedMs)
    const tookMs = await movesAfter(scene, [host], () => confirmOff(scene, host))
    await lab.power(host, 'on')
    await fenceBy(scene, host)
    return { whom: host, fenced: [host], tookMs, also: 'counted from the word of the operator' }
  },
  'BMC lies of a host that lives': scene =>
    mannered(scene, 'lying', async (host, strike) => {
      await strike()
      await decided(scene, host, 'fencing')
      await triedInVain(scene, host)
      await nothingLeaves(scene, host, watchedMs)
      return await movesAfter(scene, [host], () => scene.lab.bmc(host, 'ok'))
    }),
  'BMC slow': scene => mannered(scene, 'slow', (host, strike) => movesAfter(scene, [host], strike)),
  'host cut off': scene => cutOff(scene, victim(scene, [scene.leader])),
  "controller's host cut off": scene => cutOff(scene, scene.leader),
  'host stands still': async scene => {
    const { lab } = scene
    const host = victim(scene)
    const tookMs = await movesAfter(scene, [host], () => lab.pause(host))
    return { whom: host, fenced: [host], tookMs }
  },
  'agent stands still': async scene => {
    const { lab } = scene
    const host = victim(scene)
    const tookMs = await movesAfter(scene, [host], () => lab.pause(host, 'agent'))
    const { because } = await decided(scene, host, 'fencing')
    wants(because, /its machine takes calls/)
    return { whom: host, fenced: [host], tookMs }
  },
  'agent stands still for a moment': async scene => {
    const { lab } = scene
    const host = victim(scene)
    await lab.pause(host, 'agent')
    await nothingLeaves(scene, host, brieflyMs)
    await lab.resume(host, 'agent')
    return { whom: host, fenced: [] }
  },
  'agent killed': async scene => {
    const { lab } = scene
    const host = victim(scene)
    await lab.stop(host, 'agent')
    await nothingLeaves(scene, host, watchedMs)
    await lab.start(host, 'agent')
    return { whom: host, fenced: [] }
  },
  'line slow': async scene => {
    const { lab } = scene
    const host = victim(scene)
    await lab.slow(host, slowLine)
    await nothingLeaves(scene, host, watchedMs)
    await lab.heal()
    const also = `${slowLine.delayMs} ms, ${slowLine.loss * 100} % lost each way`
    return { whom: host, fenced: [], also }
  },
  'line broken': async scene => {
    const { lab, leader } = scene
    const host = victim(scene, [leader])
    const tookMs = await movesAfter(scene, [host], () => lab.slow(host, brokenLine))
    await lab.heal()
    const also = `${brokenLine.delayMs} ms, ${brokenLine.loss * 100} % lost each way`
    return { whom: host, fenced: [host], tookMs, also }
  },
  'two hosts at once': async scene => {
    const { lab } = scene
    const hosts = followers(scene, 2)
    const tookMs = await movesAfter(scene, hosts, async () => {
      await Promise.all(hosts.map(host => lab.power(host, 'off')))
    })
    return { whom: hosts.join(' and '), fenced: hosts, tookMs }
  },
  'two hosts, and a third one soon after': async scene => {
    const { lab } = scene
    const [third = '', ...two] = followers(scene, 3)
    // Those that are back are missing no more: the brake counts who is gone at the same time.
    for (const host of two) await staysOff(scene, host, true)
    await movesAfter(scene, two, async () => {
      await Promise.all(two.map(host => lab.power(host, 'off')))
    })
    await lab.power(third, 'off')
    await decided(scene, third, 'fence-held-brake')
    await nothingLeaves(scene, third, watchedMs)
    const tookMs = await movesAfter(scene, [third], () => confirmOff(scene, third))
    for (const host of two) await staysOff(scene, host, false)
    const also = 'counted from the word of the operator'
    return { whom: `${two.join(' and ')}, ${third}`, fenced: two, ended: [third], tookMs, also }
  },
  ...rackFaults
}

async function powerCut(
  scene: HealingScene,
  type: Switchboard,
  proof: RegExp
): ReturnType<HealingFault> {
  const { lab } = scene
  const host = victim(scene)
  await fenceBy(scene, host, [type])
  const tookMs = await movesAfter(scene, [host], () => lab.power(host, 'off'))
  const { because } = await decided(scene, host, 'fenced')
  wants(because, proof)
  await fenceBy(scene, host)
  return { whom: host, fenced: [host], tookMs }
}

/** Cuts a host off that lives, and whose baseboard controller has other manners than it should. */
async function mannered(
  scene: HealingScene,
  manner: BmcManner,
  judge: (host: string, strike: () => Promise<void>) => Promise<number>
): ReturnType<HealingFault> {
  const { lab, chance, leader } = scene
  const host = victim(scene, [leader])
  const type = chance.pick(['ipmi', 'redfish'] as const)
  await fenceBy(scene, host, [type])
  await lab.bmc(host, manner)
  const tookMs = await judge(host, () => lab.partition([[host], others(scene, host)]))
  await lab.bmc(host, 'ok')
  await lab.heal()
  await fenceBy(scene, host)
  return { whom: `${host}, ${type}`, fenced: [host], tookMs }
}

async function cutOff(scene: HealingScene, host: string): ReturnType<HealingFault> {
  const { lab } = scene
  const tookMs = await movesAfter(scene, [host], () => lab.partition([[host], others(scene, host)]))
  await lab.heal()
  return { whom: host, fenced: [host], tookMs }
}

const others = ({ lab }: HealingScene, host: string): readonly string[] =>
  lab.plan.hosts.map(({ name }) => name).filter(name => name !== host)

/** Some hosts, not the controller's, of which one at most is in the ensemble: the first. */
function followers({ lab, leader, chance }: HealingScene, count: number): readonly string[] {
  const hosts = lab.plan.hosts.filter(({ name }) => name !== leader)
  const names = (isCandidate: boolean) =>
    chance.shuffled(hosts.filter(host => host.isCandidate === isCandidate).map(({ name }) => name))
  const picked = [...names(true).slice(0, 1), ...names(false)].slice(0, count)
  if (picked.length < count) throw new Error(`the lab has too few hosts for ${count} to fail`)
  return picked
}
