/** Messages for tests, with nothing in them but what the test is about. */
import type { Order, Report } from '#shared/wire/order.ts'

/** An order that asks for nothing. */
export const anOrder = (fields: Partial<Order>): Order => ({
  type: 'order',
  cloud: 'c-1',
  epoch: 1,
  generation: 0,
  host: '',
  images: [],
  pools: [],
  volumes: [],
  networks: [],
  instances: [],
  noticesKept: 0,
  ...fields
})

/** A report of a host that holds nothing. */
export const aReport = (fields: Partial<Report>): Report => ({
  type: 'report',
  host: '',
  hostname: 'host',
  agentVersion: '0.0.0',
  bootId: 'boot-1',
  agentRun: 'run-1',
  number: 0,
  epoch: 1,
  generation: 0,
  settledGeneration: 0,
  memoryFreeMib: 0,
  images: [],
  pools: [],
  networks: [],
  volumes: [],
  instances: [],
  foreign: [],
  notices: [],
  ...fields
})
