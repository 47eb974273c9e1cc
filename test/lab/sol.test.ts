/** The serial line of a machine through OpenIPMI's baseboard controller, with ipmitool itself. */
import { createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { silentLog } from '#shared/log.ts'
import { run } from '#shared/process.ts'
import { MachineConsoles } from '../../bootd/io/sol/consoles.ts'
import { bmcPassword, bmcUser, startBmc } from './fence-services.ts'

/** A machine that greets whoever connects, and says again what is typed. */
async function serialLine() {
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', bytes => socket.write(`<${bytes}>`))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return {
    at: `tcp:127.0.0.1:${typeof address === 'object' ? address?.port : 0}`,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => server.close(resolve))
    }
  }
}

test('a serial line is looked at, taken over, and looked at again', async t => {
  t.timeout(300_000)
  await using line = await serialLine()
  await using bmc = await startBmc({ serial: line.at })
  const device = {
    ...{ type: 'ipmi', address: '127.0.0.1', port: bmc.port, user: bmcUser, secret: 'bmc' },
    ...{ privilege: 'operator', cipherSuite: 3 }
  }
  const order = { name: 'h1', levels: [{ devices: [device] }], secrets: { bmc: bmcPassword } }
  await using consoles = new MachineConsoles({ orderOf: () => order as never, log: silentLog })
  const look = (take: boolean) => {
    const seen = { text: '', ends: [] as string[] }
    const seat = consoles.attach(
      { host: 'h1', take },
      {
        output: bytes => {
          seen.text += Buffer.from(bytes).toString()
        },
        ended: because => void seen.ends.push(because)
      }
    )
    return { seat, seen }
  }
  // ipmi_sim takes the first packet of a session for the last one of the session before, if that
  // has the same number: so what is not said again is typed again.
  const says = async ({ seat, seen }: ReturnType<typeof look>, typed: string): Promise<void> => {
    for (let looks = 0; ; looks++) {
      if (looks % 100 === 0) await seat.write(Buffer.from(`${typed}\r`))
      if (seen.text.replaceAll(/[<>]/g, '').includes(typed.replace('\x1e', ''))) return
      if (seen.ends.length > 0) throw new Error(seen.ends.join('; '))
      await sleep(20)
    }
  }
  const first = look(false)
  await says(first, 'hello')
  const second = look(true)
  t.is(first.seen.ends[0], 'somebody else has taken it over')
  // What would end ipmitool if it were at the beginning of a line.
  await says(second, 'after a line end\r~.\x1e.')
  await says(second, 'and on')
  second.seat.leave()
  const third = look(false)
  await says(third, 'again')
  // Baseboard controllers have few sessions, and a fence needs one: ours, and that of who asks.
  third.seat.leave()
  t.true(await isSoon(async () => (await sessionsOf(bmc.port)) <= 1))
})

/** How many sessions the baseboard controller has open, that of the question among them. */
async function sessionsOf(port: number): Promise<number> {
  const who = ['-H', '127.0.0.1', '-p', String(port), '-U', bmcUser, '-E', '-C', '3']
  const asked = ['-I', 'lanplus', ...who, 'session', 'info', 'active']
  const { stdout } = await run('ipmitool', asked, {
    deadlineMs: 20_000,
    environment: { IPMI_PASSWORD: bmcPassword },
    exitCodes: [0, 1]
  })
  const [, count] = /^active sessions\s*:\s*(\d+)/m.exec(stdout) ?? []
  if (count === undefined) throw new Error(`ipmitool does not say how many: ${stdout}`)
  return Number(count)
}

/** Sooner than the baseboard controller itself ends a session that says nothing, after 30 s. */
async function isSoon(isSo: () => Promise<boolean>): Promise<boolean> {
  const until = performance.now() + 20_000
  while (performance.now() < until) {
    if (await isSo()) return true
    await sleep(200)
  }
  return false
}
