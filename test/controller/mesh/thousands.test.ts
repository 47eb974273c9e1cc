/** A change of the controller among thousands of agents, each with a socket of its own. */
import test from 'ava'
import { makeKeys } from '#shared/wire/keys.ts'
import { Fleet } from '../../../tools/bench/agents/fleet-handle.ts'
import { OurEnd, until } from '../../../tools/bench/mesh-sides.ts'

const agents = 2_000

test.serial('2,000 agents that one controller has left are all heard by the next one', async t => {
  t.timeout(400_000)
  const keys = makeKeys()
  const wish = { kind: 'ours', admitted: [keys.publicKey] } as const
  const { fleet, peers } = await Fleet.open({ ...wish, count: agents })
  await using _ = fleet
  for (const epoch of [1, 2]) {
    await using end = new OurEnd(keys, epoch)
    end.mesh.setPeers(peers)
    await until(() => end.heard.size === agents)
    t.is(end.connected.size, agents)
  }
})
