/** Looking for a baseboard controller that is a program of Debian. */
import test from 'ava'
import { realClock } from '#shared/clock.ts'
import { silentLog } from '#shared/log.ts'
import { BmcScans } from '../../bootd/io/bmc/scans.ts'
import { until } from '../bootd/boot/boot-server.ts'
import { startBmc } from './fence-services.ts'

test("OpenIPMI's baseboard controller is found without a password", async t => {
  t.timeout(300_000)
  await using bmc = await startBmc()
  await using scans = new BmcScans({
    ...{ clock: realClock, log: silentLog, macOf: async () => undefined },
    ports: { rmcp: bmc.port, redfish: 1 }
  })
  // On a busy machine an answer may come too late.
  while (!scans.found().items[0]?.ipmi) {
    scans.begin('127.0.0.1')
    await until(() => scans.found().scan?.isOver === true)
  }
  t.like(scans.found().items[0], { address: '127.0.0.1', ipmi: true, ipmi2: true })
})
