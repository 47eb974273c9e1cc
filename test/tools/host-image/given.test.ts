/** What a host that has booted keeps of what bootd gives it: its own scripts in a shell. */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import test, { type ExecutionContext } from 'ava'
import { isInstalled } from '#shared/process.ts'
import { readPeerWords } from '../../../bootd/io/boot/peer-words.ts'
import { bootToken, ImageServer } from '../../netboot/host-image/image-server.ts'

const common = join(
  import.meta.dirname,
  '../../../tools/host-image/inside/root/usr/lib/remuda/common'
)
const run = isInstalled('jq') && isInstalled('busybox') ? test : test.skip

/** Has a host ask what it is given; gives what it keeps of how to serve its image. */
async function kept(t: ExecutionContext, given: Readonly<Record<string, unknown>>) {
  const folder = await mkdtemp(join(tmpdir(), 'remuda-given-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await using server = await ImageServer.open(folder)
  server.given = given
  const url = `http://127.0.0.1:${server.port}`
  const known = {
    url,
    boot: bootToken,
    version: '0123456789abcdef',
    uuid: 'u',
    address: '10.0.0.7'
  }
  await writeFile(join(folder, 'boot.json'), JSON.stringify(known))
  await writeFile(join(folder, 'boot.sh'), `known_url='${url}'\nknown_boot='${bootToken}'\n`)
  const script = (await readFile(common, 'utf8')).replaceAll('/run/remuda/', `${folder}/`)
  await writeFile(join(folder, 'common'), script)
  const shell = spawn('/bin/sh', ['-c', `. ${folder}/common; fetch_given && echo "$given_name"`], {
    env: { PATH: process.env['PATH'] }
  })
  const [said] = await Promise.all([text(shell.stdout), text(shell.stderr)])
  const file = join(folder, 'peer.json')
  return { said, known, mode: (await stat(file)).mode & 0o777, text: await readFile(file, 'utf8') }
}

run('a host that shall serve its image knows how, and nobody else there does', async t => {
  const peer = { key: 'key-of-this-host', port: 7_481 }
  const { said, known, mode, text } = await kept(t, { name: 'h7', peer })
  t.is(said, 'h7\n')
  t.is(mode, 0o600)
  t.like(readPeerWords(text), { ...peer, ...known })
})

run('one that shall not keeps nothing', async t => {
  const { said, text } = await kept(t, { name: 'h7' })
  t.is(said, 'h7\n')
  t.is(text, '')
})
