/** Instances that move between hosts, in virtual time, with the real code of all parts. */

import type { ExecutionContext } from 'ava'
import test from 'ava'
import type { MovePace } from '#shared/model/instance.ts'
import { MovingCloud } from './moving-cloud.ts'

type Story = {
  readonly title: string
  readonly spec?: object
  readonly live?: boolean
  readonly pace?: MovePace
  /** What happens while it moves. */
  readonly meanwhile?: (moving: MovingCloud) => Promise<void> | void
  readonly ends: 'h1 running' | 'h2 running' | 'none'
  readonly verbs: readonly string[]
  readonly because?: RegExp
}

const hypervisorOf = ({ cloud }: MovingCloud, host: string) => cloud.host(host).hypervisor

/** Each moment of a migration takes a second, so that something can happen between two. */
const slowly = ({ cloud }: MovingCloud): void => {
  cloud.pace = () => cloud.clock.sleep(1_000)
}

/** It comes to no end by itself. */
const writesFast = (moving: MovingCloud): void => {
  slowly(moving)
  for (const { hypervisor } of moving.cloud.hosts.values()) hypervisor.lines.writesFast = true
}

/** The controller knows that it runs on the target, and that a part of it is on the source. */
async function untilCrossing(moving: MovingCloud): Promise<void> {
  writesFast(moving)
  const { clock } = moving.cloud
  moving.cloud.pace = moment => clock.sleep(moment === 'cross' ? 4_000 : 1_000)
  while (moving.web.decided.moving?.phase !== 'crossing') await clock.pass(100)
}

const stories: readonly Story[] = [
  {
    title: 'a running instance moves and is started nowhere',
    ends: 'h2 running',
    verbs: ['moving', 'move-sending', 'moved']
  },
  {
    title: 'a container is shut down here and started there',
    spec: { type: 'container', image: 'tiny-container' },
    live: false,
    ends: 'h2 running',
    verbs: ['moving', 'move-sending', 'moved']
  },
  {
    title: 'a stopped instance changes its host',
    spec: { desiredPower: 'stopped' },
    ends: 'none',
    verbs: ['moving', 'move-sending', 'moved']
  },
  {
    title: 'a move that is called back leaves it where it was',
    meanwhile: async moving => {
      slowly(moving)
      await moving.cloud.clock.pass(1_500)
      await moving.cancel()
    },
    ends: 'h1 running',
    verbs: ['moving', 'move-sending', 'move-withdrawing', 'move-failed'],
    because: /cancelled by user\/admin/
  },
  {
    title: 'a target that loses its power leaves it where it was',
    meanwhile: async moving => {
      slowly(moving)
      await moving.cloud.clock.pass(1_500)
      moving.cutPower('h2')
    },
    ends: 'h1 running',
    verbs: ['moving', 'move-sending', 'move-withdrawing', 'move-failed'],
    because: /the other side is gone/
  },
  {
    title: 'a source that loses its power while it sends starts it anew',
    meanwhile: async moving => {
      slowly(moving)
      await moving.cloud.clock.pass(1_500)
      moving.cutPower('h1')
    },
    ends: 'h1 running',
    verbs: ['moving', 'move-sending', 'move-failed']
  },
  {
    title: 'a source that loses its power once it was sent has it there',
    meanwhile: async moving => {
      slowly(moving)
      await moving.cloud.clock.pass(3_500)
      moving.cutPower('h1')
    },
    ends: 'h2 running',
    verbs: ['moving', 'move-sending', 'moved']
  },
  {
    title: 'where nobody tells the source that it runs there, the target is asked',
    meanwhile: moving => hypervisorOf(moving, 'h1').loseNextReply(),
    ends: 'h2 running',
    verbs: ['moving', 'move-sending', 'move-withdrawing', 'moved']
  },
  {
    title: 'one that writes faster than it is sent crosses, and moves',
    meanwhile: untilCrossing,
    ends: 'h2 running',
    verbs: ['moving', 'move-sending', 'move-crossing', 'moved']
  },
  {
    title: 'one that may not cross is sent until it is called back',
    pace: { postCopy: 'never' },
    meanwhile: async moving => {
      writesFast(moving)
      await moving.cloud.clock.pass(20_000)
      await moving.cancel()
    },
    ends: 'h1 running',
    verbs: ['moving', 'move-sending', 'move-withdrawing', 'move-failed'],
    because: /cancelled by user\/admin/
  },
  {
    title: 'one that crosses goes on once the line is whole again',
    meanwhile: async moving => {
      await untilCrossing(moving)
      moving.cutLine(true)
      await moving.cloud.clock.pass(10_000)
      moving.cutLine(false)
    },
    ends: 'h2 running',
    verbs: ['moving', 'move-sending', 'move-crossing', 'moved']
  },
  {
    title: 'one whose line stays cut starts anew where it was, and nothing is left elsewhere',
    meanwhile: async moving => {
      await untilCrossing(moving)
      moving.cutLine(true)
      await moving.cloud.clock.pass(200_000)
    },
    ends: 'h1 running',
    verbs: ['moving', 'move-sending', 'move-crossing', 'move-withdrawing', 'move-failed'],
    because: /given up after 7 tries, and its memory is lost.*; it starts anew from its volumes$/
  },
  {
    title: 'a source that loses its power while it crosses has it start anew',
    meanwhile: async moving => {
      await untilCrossing(moving)
      moving.cutPower('h1')
    },
    ends: 'h1 running',
    verbs: ['moving', 'move-sending', 'move-crossing', 'move-failed'],
    because: /; it starts anew from its volumes$/
  },
  {
    title: 'a target that loses its power while it crosses has it start anew where it was',
    meanwhile: async moving => {
      await untilCrossing(moving)
      moving.cutPower('h2')
    },
    ends: 'h1 running',
    verbs: ['moving', 'move-sending', 'move-crossing', 'move-withdrawing', 'move-failed'],
    because: /its memory is lost.*; it starts anew from its volumes$/
  },
  {
    title: 'both agents and the controller may die while it crosses',
    meanwhile: async moving => {
      await untilCrossing(moving)
      moving.killAgent('h1')
      moving.killAgent('h2')
      await moving.killController()
    },
    ends: 'h2 running',
    verbs: ['moving', 'move-sending', 'move-crossing', 'moved']
  },
  {
    title: 'both agents and the controller may die while its line is cut',
    meanwhile: async moving => {
      await untilCrossing(moving)
      moving.cutLine(true)
      moving.killAgent('h1')
      moving.killAgent('h2')
      await moving.killController()
      await moving.cloud.clock.pass(5_000)
    },
    ends: 'h2 running',
    verbs: ['moving', 'move-sending', 'move-crossing', 'moved']
  },
  {
    title: 'both agents and the controller may die while it is sent',
    meanwhile: async moving => {
      slowly(moving)
      await moving.cloud.clock.pass(1_500)
      moving.killAgent('h1')
      moving.killAgent('h2')
      await moving.killController()
    },
    ends: 'h2 running',
    verbs: ['moving', 'move-sending', 'moved']
  }
]

async function tell(t: ExecutionContext, story: Story): Promise<void> {
  await using moving = await MovingCloud.make(story.spec)
  const starts = () => [...moving.cloud.hosts.values()].flatMap(each => each.hypervisor.calls)
  await moving.move('h2', { live: story.live, pace: story.pace })
  await story.meanwhile?.(moving)
  await moving.heal()
  t.deepEqual(moving.faults, [])
  t.deepEqual(await moving.copies(), story.ends === 'none' ? [] : [story.ends], moving.because)
  t.is(moving.web.decided.moving, undefined)
  const verbs = moving.verbs.filter(verb => verb !== 'move-asking')
  t.deepEqual(verbs, story.verbs)
  const [last] = moving.reasons.slice(-1)
  if (story.because) t.regex(last ?? '', story.because)
  const calls = starts().filter(call => call.startsWith('create'))
  if (story === stories[0]) t.deepEqual(calls, ['create default.web'])
}

for (const story of stories) test(story.title, t => tell(t, story))

test('a host that could not keep the order to let go does not start what has left', async t => {
  await using moving = await MovingCloud.make()
  const { cloud } = moving
  const source = cloud.host(moving.web.decided.host!)
  source.keeper.fails = true
  await cloud.wish({ verb: 'move', id: moving.web.id, live: false })
  await cloud.clock.pass(10_000)
  const stopped = source.stop()
  await cloud.clock.pass(10_000)
  await stopped
  await source.start(cloud)
  await cloud.clock.pass(10_000)
  t.deepEqual(moving.faults, [])
  t.is(moving.web.decided.host, source.name)
  source.keeper.fails = false
  await cloud.clock.pass(10_000)
  t.deepEqual(moving.faults, [])
  t.not(moving.web.decided.host, source.name)
})
