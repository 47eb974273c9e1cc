import test from 'ava'
import type { BootState } from '#shared/wire/boot.ts'
import { BootFeed } from '../../../controller/io/boot-feed.ts'
import type { FeedNews } from '../../../controller/io/feed.ts'
import { bootCloud, bootOf } from '../core/boot/boot-world.ts'

/** What is told of reports that come one after another. */
function toldOf(...reports: readonly (readonly BootState[])[]): readonly (readonly string[])[] {
  const told: string[] = []
  const report = (key: string, { kind, subjects, json }: FeedNews): void => {
    const { stage, percent, name } = JSON.parse(json)
    told.push([key, kind, subjects.join(), name, stage, percent].join(' ').trim())
  }
  const forgetStatus = (key: string): void => void told.push(`${key} is forgotten`)
  const feed = new BootFeed({ view: bootCloud().view, feed: { report, forgetStatus } })
  return reports.map(boots => {
    feed.hear('c1', { boots })
    return told.splice(0)
  })
}

const stranger = bootOf('waiting', { boot: 'b-2', uuid: 'u-2' })

test('each step of a boot is told, under the host that the machine is', t => {
  t.deepEqual(
    toldOf(
      [],
      [bootOf('image', { percent: 3 })],
      [bootOf('image', { percent: 3 })],
      [bootOf('image', { percent: 9 }), stranger],
      [bootOf('joined'), stranger]
    ),
    [
      [],
      ['boot/uuid-h1 boot host/h1 h1 image 3'],
      [],
      ['boot/uuid-h1 boot host/h1 h1 image 9', 'boot/u-2 boot cluster/boot  waiting'],
      ['boot/uuid-h1 boot host/h1 h1 joined']
    ]
  )
})

test('a machine that is known by something better than before is not told of twice', t => {
  const { uuid: _, ...first } = bootOf('dhcp', {})
  const [, second] = toldOf([], [first as BootState], [bootOf('script')]).slice(1)
  t.deepEqual(second, [
    'boot/52:54:00:00:00:01 is forgotten',
    'boot/uuid-h1 boot host/h1 h1 script'
  ])
})

test('a new controller tells of what is under way, and not of all that has ever booted', t => {
  t.deepEqual(toldOf([bootOf('joined'), stranger]), [[]])
  t.deepEqual(toldOf([bootOf('kernel')]), [['boot/uuid-h1 boot host/h1 h1 kernel']])
})
