/** How busy hosts and instances are, as it is shown. */
import Type from 'typebox'
import { Strict } from './resource.ts'

const percent = (description: string) =>
  Type.Integer({ minimum: 0, maximum: 100, description: `${description} Unit: percent.` })

/** Of a host. */
export const HostUse = Strict(
  {
    cpuPercent: percent('Of its processors.'),
    diskPercent: Type.Optional(percent('Of its busiest disk.')),
    networkPercent: Type.Optional(percent('Of its busiest line.'))
  },
  {
    description:
      'What it uses, measured: a mean in which what was found a minute ago counts half. ' +
      'Left out: it has not said so for a minute.'
  }
)

/** Of an instance. */
export const InstanceUse = Strict(
  {
    cpuThreads: Type.Number({ description: 'Threads that it keeps busy. Unit: count.' }),
    networkMbit: Type.Number({ description: 'What it sends and gets. Unit: Mbit/s.' })
  },
  { description: 'What it uses, measured as of its host.' }
)
