/**
 * A real libvirtd that belongs to one test file: in namespaces of its own, with its own /run,
 * /var/lib/libvirt, /etc/libvirt and cgroups, so that it never meets the machine's own libvirtd,
 * and tests may stop, kill and restart it. It needs root, and Debian's libvirt-daemon-system,
 * libvirt-daemon-driver-lxc and qemu-system-x86.
 *
 * The first process of the pid namespace is a shell that takes orders from its standard input. When
 * that ends, for whatever reason, the shell ends too, and with it all that runs in there, and
 * another shell outside clears away: nothing is left of a test run, not even of one that was
 * killed. What it took to get there:
 *  - That shell must reap orphans, or libvirt waits 40 s for each emulator that it has killed.
 *  - libvirt's LXC driver cannot live with version 1 and 2 of cgroups mounted side by side: the
 *    container's init fails on /sys/fs/cgroup/unified. So it gets plain version 1 here.
 *  - /proc/self/cgroup must be read as a whole before the first change: it grows with each, and who
 *    reads it line by line misses the last ones.
 *  - /run/lock must exist, or no console of a virtual machine can be opened.
 *  - libvirtd 9.0 now and then crashes when a client leaves while it is answering it. It is started
 *    again then, as systemd does it on a host; one that a test ends stays ended.
 *  - The emulator runs as root here, so libvirt's idea of /dev/kvm and the emulator's agree: where
 *    they do not, the emulator is examined anew, for five seconds, whenever a domain starts.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Fault } from '#shared/fault.ts'

/** libvirtd may take so long to start or to stop; examining the emulators is the longest part. */
const deadlineMs = 90_000

const cgroupRoot = '/sys/fs/cgroup'

/** Makes the cgroups and the namespaces, and takes all away again when they end. */
const outside = `
set -eu
directory=$1
group=$2
controllers=
if [ ! -e ${cgroupRoot}/cgroup.controllers ]; then
  for names in $(cut -d: -f2 /proc/self/cgroup); do
    case $names in name=*) ;; *) controllers="$controllers $names" ;; esac
  done
fi
for names in $controllers; do
  cd "${cgroupRoot}/$names"
  mkdir "$group"
  if [ -e cpuset.mems ]; then
    cat cpuset.cpus >"$group/cpuset.cpus"
    cat cpuset.mems >"$group/cpuset.mems"
  fi
  echo $$ >"$group/cgroup.procs"
done
cd /
unshare --mount --uts --ipc --net --pid --cgroup --fork --kill-child \
  bash --norc -c "$3" inside "$directory" "$controllers" "$4" || code=$?
for names in $controllers; do
  cd "${cgroupRoot}/$names"
  echo $$ >cgroup.procs
  find "$group" -depth -type d -delete
done
rm -rf "$directory"
exit "\${code-0}"
`

const inside = `
set -eu
directory=$1
mount --make-rprivate /
mount -t proc proc /proc
mount --bind "$directory/run" /run
mount --bind "$directory/lib" /var/lib/libvirt
mount --bind "$directory/log" /var/log/libvirt
mount --bind "$directory/cache" /var/cache/libvirt
mount --bind "$directory/etc" /etc/libvirt
if [ "$2" ]; then
  umount -R -l ${cgroupRoot}
  mount -t tmpfs cgroups ${cgroupRoot}
  for names in $2; do
    mkdir "${cgroupRoot}/$names"
    mount -t cgroup -o "$names" cgroup "${cgroupRoot}/$names"
  done
fi
ip link set lo up
while read -r order ended; do
  case $order in start) sh -c "$3" keep "$ended" & ;; esac
done
`

/** Runs libvirtd again when it crashes, unless the file says that it was ended on purpose. */
const keep = `
while :; do
  libvirtd </dev/null
  code=$?
  if [ $code -lt 128 ] || [ -e "$1" ]; then exit; fi
  echo "libvirtd ended with $code: started again" >&2
done
`

const libvirtdConf = `
auth_unix_rw = "none"
`

const qemuConf = `
user = "root"
group = "root"
dynamic_ownership = 0
security_driver = "none"
cgroup_controllers = []
stdio_handler = "file"
`

/** Starts a libvirtd and waits until it answers. */
export async function startLibvirtd(): Promise<PrivateLibvirtd> {
  const directory = await mkdtemp(join(tmpdir(), 'remuda-libvirtd-'))
  for (const name of ['run/lock', 'lib', 'log', 'cache', 'etc']) {
    await mkdir(join(directory, name), { recursive: true })
  }
  await writeFile(join(directory, 'etc/libvirtd.conf'), libvirtdConf)
  await writeFile(join(directory, 'etc/qemu.conf'), qemuConf)
  const libvirtd = new PrivateLibvirtd(directory)
  try {
    await libvirtd.start()
    return libvirtd
  } catch (thrown) {
    await libvirtd[Symbol.asyncDispose]()
    throw thrown
  }
}

class PrivateLibvirtd implements AsyncDisposable {
  /** A directory of the test's own, at the same path inside and outside; removed at the end. */
  readonly directory: string
  readonly socketPath: string
  readonly #log: number
  readonly #shell: ChildProcess
  #starts = 0

  constructor(directory: string) {
    this.directory = directory
    this.socketPath = join(directory, 'run/libvirt/libvirt-sock')
    this.#log = openSync(join(directory, 'libvirtd.log'), 'a+')
    const group = `remuda-test-${directory.slice(-6)}`
    const args = ['--norc', '-c', outside, 'outside', directory, group, inside, keep]
    this.#shell = spawn('bash', args, {
      stdio: ['pipe', this.#log, this.#log],
      env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' }
    })
    this.#shell.stdin!.on('error', () => {}) // it has ended: whoever waits for it says so
  }

  /** Is there once nobody wants the one to run that was started last. */
  get #endedFile(): string {
    return join(this.directory, `ended-${this.#starts}`)
  }

  /** Starts libvirtd where none runs, and waits until it answers. */
  async start(): Promise<void> {
    this.#starts += 1
    this.#shell.stdin!.write(`start ${this.#endedFile}\n`)
    await this.#until('start', () => answers(this.socketPath))
  }

  /** Ends libvirtd alone: its domains go on. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const pid = await this.#pid()
    if (pid === undefined) return
    await writeFile(this.#endedFile, '')
    process.kill(pid, signal)
    await this.#until('stop', async () => (await this.#pid()) === undefined)
  }

  async restart(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    await this.stop(signal)
    await this.start()
  }

  /** Stops libvirtd where it stands, or lets it go on: silent, but not gone. */
  async freeze(frozen: boolean): Promise<void> {
    process.kill((await this.#pid())!, frozen ? 'SIGSTOP' : 'SIGCONT')
  }

  /** Process ids, as seen from outside, of everything in there that runs this program. */
  async pidsOf(program: string): Promise<readonly number[]> {
    const pids: number[] = []
    const waiting = [this.#shell.pid!]
    for (let pid = waiting.shift(); pid !== undefined; pid = waiting.shift()) {
      const children = await readOrEmpty(`/proc/${pid}/task/${pid}/children`)
      waiting.push(...children.split(' ').filter(Boolean).map(Number))
      const status = await readOrEmpty(`/proc/${pid}/status`)
      const name = /^Name:\t(.*)$/m.exec(status)?.[1]
      if (name === program && !/^State:\tZ/m.test(status)) pids.push(pid)
    }
    return pids
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#shell.exitCode === null && this.#shell.signalCode === null) {
      const exit = once(this.#shell, 'exit')
      this.#shell.stdin!.end()
      const timer = setTimeout(() => this.#shell.kill('SIGKILL'), 10_000)
      await exit
      clearTimeout(timer)
    }
    closeSync(this.#log)
  }

  async #pid(): Promise<number | undefined> {
    return (await this.pidsOf('libvirtd'))[0]
  }

  async #until(verb: string, done: () => Promise<boolean>): Promise<void> {
    const signal = AbortSignal.timeout(deadlineMs)
    while (!(await done())) {
      const { exitCode, signalCode } = this.#shell
      const ended = exitCode !== null || signalCode !== null
      if (signal.aborted || ended) {
        const why = ended
          ? `its shell ended (${exitCode ?? signalCode})`
          : `${deadlineMs} ms passed`
        const log = endOf(this.#log, 2_000)
        throw new Fault('unavailable', `cannot ${verb} the test's libvirtd: ${why}\n${log}`, {
          next: ['run the tests as root', 'install libvirt-daemon-system and qemu-system-x86']
        })
      }
      await sleep(20)
    }
  }
}

export type { PrivateLibvirtd }

/** The last bytes of an open file, which may have no name any more. */
function endOf(file: number, length: number): string {
  const bytes = Buffer.alloc(length)
  const start = Math.max(0, fstatSync(file).size - length)
  return bytes.toString('utf8', 0, readSync(file, bytes, 0, length, start))
}

function answers(socketPath: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const socket = connect(socketPath)
  socket.once('connect', () => resolve(true))
  socket.once('error', () => resolve(false))
  return promise.finally(() => socket.destroy())
}

async function readOrEmpty(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (thrown) {
    if (thrown instanceof Error) return '' // the process ended meanwhile
    throw thrown
  }
}
