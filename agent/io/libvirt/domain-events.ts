/** libvirt's messages about domains, in the words of the port. */
import type { DomainEvent, Driver } from '../../core/ports.ts'
import type { RemoteEvent } from './connection.ts'
import {
  agentStateWords,
  blockJobWords,
  eventId,
  ioErrorWords,
  lifecycleWords,
  watchdogWords
} from './constants.ts'
import type { RemoteDomain } from './procedures.ts'
import { formatUuid } from './uuid.ts'

/** The events that each connection asks for. */
export const eventsWanted: readonly number[] = Object.values(eventId)

type Words = { readonly dom: RemoteDomain; readonly event: string; readonly detail: string }

/** Puts a message of libvirtd into an event of the port. */
export function toDomainEvent(driver: Driver, message: RemoteEvent): DomainEvent {
  const { dom, event, detail } = words(message)
  return { uuid: formatUuid(dom.uuid), name: dom.name, driver, event, detail }
}

function words({ name, body }: RemoteEvent): Words {
  switch (name) {
    case 'domainEventCallbackLifecycle':
      return { dom: body.msg.dom, ...lifecycleWords(body.msg.event, body.msg.detail) }
    case 'domainEventCallbackReboot':
      return { dom: body.msg.dom, event: 'rebooted', detail: 'by the guest' }
    case 'domainEventCallbackWatchdog':
      return { dom: body.msg.dom, event: 'watchdog', detail: watchdogWords(body.msg.action) }
    case 'domainEventCallbackIoErrorReason': {
      const { dom, devAlias, action, reason } = body.msg
      const detail = `${devAlias} ${reason || 'failed'}: ${ioErrorWords(action)}`
      return { dom, event: 'I/O error', detail }
    }
    case 'domainEventCallbackBalloonChange':
      return { dom: body.msg.dom, event: 'changed', detail: `memory ${body.msg.actual} KiB` }
    case 'domainEventCallbackTunable':
      return { dom: body.dom, event: 'changed', detail: 'tuning' }
    case 'domainEventCallbackAgentLifecycle':
      return { dom: body.dom, event: 'guest-agent', detail: agentStateWords(body.state) }
    case 'domainEventCallbackMetadataChange':
      return { dom: body.dom, event: 'changed', detail: 'metadata' }
    case 'domainEventCallbackDeviceAdded':
      return { dom: body.dom, event: 'device', detail: `${body.devAlias} added` }
    case 'domainEventCallbackDeviceRemoved':
      return { dom: body.msg.dom, event: 'device', detail: `${body.msg.devAlias} removed` }
    case 'domainEventCallbackDeviceRemovalFailed':
      return { dom: body.dom, event: 'device', detail: `${body.devAlias} not removed` }
    case 'domainEventBlockJob2': {
      const detail = `${body.dst} ${blockJobWords(body.type, body.status)}`
      return { dom: body.dom, event: 'job', detail }
    }
    case 'domainEventCallbackJobCompleted':
      return { dom: body.dom, event: 'job', detail: 'completed' }
    default:
      throw name satisfies never
  }
}
