/**
 * The demonstration image as a container of a real libvirt. It needs, beside what the image and
 * libvirtd.ts need, Debian's dnsmasq-base.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { run } from '#shared/process.ts'
import { buildImages } from '../../tools/image/main.ts'
import { eventually } from './cloud/waiting.ts'
import { type Page, readPage } from './image-machine.ts'
import { type PrivateLibvirtd, startLibvirtd } from './libvirtd.ts'

const deadlineMs = 180_000
const address = '10.9.0.50'

const metadata = 'instance-id: "inst-2"\nlocal-hostname: "box"\nremuda-host: "h7"\n'

const config = `#cloud-config
hostname: crate
ssh_authorized_keys:
  - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKey anna@example
write_files:
  - path: /srv/www/note
    permissions: '0640'
    content: |
      one
        two

      three
runcmd:
  - echo plain >>/srv/www/ran
  - [sh, -c, 'echo "a, list" >>/srv/www/ran']
`

test('a container reads its seed, has a lease, answers, and ends by SIGTERM', async t => {
  t.timeout(600_000)
  await using host = await Host.make()
  await host.create()
  t.like(await host.page(), { name: 'crate', host: 'h7', address, kind: 'container', boots: '1' })
  const ran = await eventually('user data has run', async () => {
    const text = await readFile(join(host.root, 'srv/www/ran'), 'utf8')
    return text.includes('list') ? text : undefined
  })
  t.is(ran, 'plain\na, list\n')
  t.is(await readFile(join(host.root, 'srv/www/note'), 'utf8'), 'one\n  two\n\nthree\n')
  t.is((await stat(join(host.root, 'srv/www/note'))).mode & 0o777, 0o640)
  const keys = await readFile(join(host.root, 'root/.ssh/authorized_keys'), 'utf8')
  t.is(keys, 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKey anna@example\n')
  await eventually('there is a heartbeat', async () => {
    const beat = await readFile(join(host.root, 'var/lib/tiny/heartbeat'), 'utf8')
    return /^uptime=\S+ wall=\d+ boot=1 host=h7 name=crate\b/.test(beat) || undefined
  })
  await host.virsh('shutdown', '--mode', 'signal', 'box')
  await host.gone()
  await host.create()
  const again = await host.page()
  t.is(again['boots'], '2')
  t.regex(again['before']!, /boot=1 host=h7 name=crate$/)
  t.is(await readFile(join(host.root, 'srv/www/ran'), 'utf8'), 'plain\na, list\n')
})

/** A libvirtd with a bridge on which one address is given out. */
class Host implements AsyncDisposable {
  readonly root: string
  readonly #libvirtd: PrivateLibvirtd
  readonly #inside: readonly string[]
  readonly #dhcp: ChildProcess

  private constructor(libvirtd: PrivateLibvirtd, inside: readonly string[], dhcp: ChildProcess) {
    this.root = join(libvirtd.directory, 'root')
    this.#libvirtd = libvirtd
    this.#inside = inside
    this.#dhcp = dhcp
  }

  static async make(): Promise<Host> {
    const libvirtd = await startLibvirtd()
    try {
      const [pid] = await libvirtd.pidsOf('libvirtd')
      const inside = [`--net=/proc/${pid}/ns/net`, '--']
      const bridge = 'link add br9 type bridge\naddress add 10.9.0.1/24 dev br9\nlink set br9 up\n'
      await run('nsenter', [...inside, 'ip', '-batch', '-'], { deadlineMs, input: bridge })
      const { container } = await buildImages({
        out: join(libvirtd.directory, 'images'),
        only: 'container'
      })
      const host = new Host(libvirtd, inside, startDhcp(inside))
      await mkdir(host.root)
      const args = ['--extract', '--file', container, '--directory', host.root]
      await run('tar', args, { deadlineMs })
      const seed = join(host.root, 'var/lib/cloud/seed/nocloud')
      await writeFile(join(seed, 'meta-data'), metadata)
      await writeFile(join(seed, 'user-data'), config)
      return host
    } catch (thrown) {
      await libvirtd[Symbol.asyncDispose]()
      throw thrown
    }
  }

  /** Starts the container. */
  async create(): Promise<void> {
    const path = join(this.#libvirtd.directory, 'box.xml')
    await writeFile(path, domain(this.root))
    await this.virsh('create', path)
  }

  async page(): Promise<Page> {
    return await eventually('the container answers', async () => {
      const fetching = [...this.#inside, process.execPath, '--eval', fetchScript]
      const { stdout } = await run('nsenter', fetching, { deadlineMs })
      // The page may answer before the lease is filed.
      const page = readPage(stdout)
      return page['address'] === address && page['boots'] !== 'unknown' ? page : undefined
    })
  }

  async gone(): Promise<void> {
    await eventually('the container has ended', async () => {
      return (await this.virsh('list', '--name')).trim() === '' || undefined
    })
  }

  async virsh(...words: readonly string[]): Promise<string> {
    const uri = `lxc+unix:///system?socket=${this.#libvirtd.socketPath}`
    return (await run('virsh', ['--quiet', '--connect', uri, ...words], { deadlineMs })).stdout
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#dhcp, 'exit')
    if (this.#dhcp.kill('SIGKILL')) await ended
    await this.#libvirtd[Symbol.asyncDispose]()
  }
}

/** Runs inside, on the container's network. */
const fetchScript = `
  const answer = await fetch('http://${address}/', { signal: AbortSignal.timeout(2_000) })
  process.stdout.write(await answer.text())`

function startDhcp(inside: readonly string[]): ChildProcess {
  const options = [
    '--keep-in-foreground',
    '--conf-file=/dev/null',
    '--port=0',
    '--interface=br9',
    '--bind-interfaces',
    '--no-ping',
    `--dhcp-range=${address},${address},255.255.255.0,2m`,
    '--leasefile-ro',
    '--pid-file='
  ]
  return spawn('nsenter', [...inside, 'dnsmasq', ...options], { stdio: 'ignore' })
}

const domain = (root: string): string => `
<domain type='lxc'>
  <name>box</name>
  <memory unit='MiB'>48</memory>
  <os><type>exe</type><init>/sbin/init</init></os>
  <features><privnet/></features>
  <devices>
    <filesystem type='mount'><source dir='${root}'/><target dir='/'/></filesystem>
    <interface type='bridge'>
      <mac address='52:54:00:00:09:50'/>
      <source bridge='br9'/>
      <guest dev='eth0'/>
    </interface>
    <console type='pty'/>
  </devices>
</domain>`
