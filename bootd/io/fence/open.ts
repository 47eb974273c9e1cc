/** Makes the devices of a host from what the operator has said of them. */
import { Fault } from '#shared/fault.ts'
import { deviceName, type FenceDevice as Model, type Outlet } from '#shared/model/fence.ts'
import type { Ms } from '#shared/units.ts'
import type { FenceDevice, Reading } from '../../core/ports.ts'
import { agentDevice } from './agent-exec.ts'
import type { FenceExecutor, Urgency } from './executor.ts'
import { ipmiDevice } from './ipmi.ts'
import { labDevice } from './lab.ts'
import { PduDevice } from './pdu.ts'
import { queuedDevice } from './queued.ts'
import { RedfishDevice } from './redfish.ts'

/** How long one call may take, by what it goes through. Unit: ms. */
export type Deadlines = {
  readonly ipmi: Ms
  readonly redfish: Ms
  readonly agent: Ms
  readonly lab: Ms
}

/** An agent starts Python and logs in; a lab host needs some seconds to come up. */
export const deadlines: Deadlines = { ipmi: 7_000, redfish: 10_000, agent: 20_000, lab: 30_000 }

/** One device under its two faces: the calls of a fence, and those that only watch. */
export type OpenDevice = AsyncDisposable & {
  readonly fence: FenceDevice<Reading>
  readonly watch: FenceDevice<Reading>
}

/** What all devices are made with. */
export type Openings = {
  readonly executor: FenceExecutor
  readonly deadlines?: Deadlines
}

/**
 * Makes a device; nothing is sent yet. One whose secret was not given is made too: each of its
 * calls says so.
 */
export function openDevice(
  model: Model,
  secrets: Readonly<Record<string, string>>,
  openings: Openings
): OpenDevice {
  const outlets = model.type === 'pdu' ? model.outlets.map(asAgent) : [model]
  const leaves = outlets.map(each => {
    const made = leafOf(each, secrets, openings.deadlines ?? deadlines)
    return (urgency: Urgency): FenceDevice =>
      queuedDevice(made.device, {
        executor: openings.executor,
        key: addressOf(each),
        urgency,
        deadlineMs: (openings.deadlines ?? deadlines)[each.type],
        hidden: made.hidden
      })
  })
  const face = (urgency: Urgency): FenceDevice<Reading> => {
    const queued = leaves.map(leaf => leaf(urgency))
    return model.type === 'pdu' ? new PduDevice(queued) : queued[0]!
  }
  const fence = face('fence')
  return { fence, watch: face('watch'), [Symbol.asyncDispose]: () => fence[Symbol.asyncDispose]() }
}

type Leaf = Exclude<Model, { readonly type: 'pdu' }>

const asAgent = (outlet: Outlet): Leaf => ({ type: 'agent', ...outlet })

function leafOf(
  model: Leaf,
  secrets: Readonly<Record<string, string>>,
  given: Deadlines
): { readonly device: FenceDevice; readonly hidden: readonly string[] } {
  const needed =
    model.type === 'agent' ? model.secrets : 'secret' in model ? { '': model.secret } : {}
  const missing = Object.values(needed).filter(name => !Object.hasOwn(secrets, name))
  if (missing.length > 0) return { device: keyless(model, missing), hidden: [] }
  const values = Object.fromEntries(
    Object.entries(needed).map(([parameter, name]) => [parameter, secrets[name]!])
  )
  return { device: deviceOf(model, values, given), hidden: Object.values(values) }
}

function deviceOf(
  model: Leaf,
  values: Readonly<Record<string, string>>,
  given: Deadlines
): FenceDevice {
  switch (model.type) {
    case 'ipmi':
      return ipmiDevice(model, { password: values['']!, deadlineMs: given.ipmi })
    case 'redfish':
      return new RedfishDevice(model, { password: values['']! })
    case 'agent':
      return agentDevice(model, { secrets: values, deadlineMs: given.agent })
    case 'lab':
      return labDevice(model)
    default:
      throw new TypeError(`no such device: ${JSON.stringify(model satisfies never)}`)
  }
}

function keyless(model: Leaf, missing: readonly string[]): FenceDevice {
  const name = deviceName(model)
  const refuse = async (): Promise<never> => {
    throw new Fault('invalid', `cannot use ${name}: its secret ${missing.join(', ')} is not given`)
  }
  return { name, power: refuse, off: refuse, on: refuse, [Symbol.asyncDispose]: async () => {} }
}

/** The same for all that goes to one controller, whatever it speaks. */
export function addressOf(model: Leaf): string {
  switch (model.type) {
    case 'ipmi':
      return model.address.toLowerCase()
    case 'redfish':
      return new URL(model.url).hostname.replace(/^\[|\]$/g, '')
    case 'agent':
      return model.parameters['ip'] ?? model.parameters['ipaddr'] ?? deviceName(model)
    case 'lab':
      return `${model.socket}#${model.host}`
    default:
      throw new TypeError(`no such device: ${JSON.stringify(model satisfies never)}`)
  }
}
