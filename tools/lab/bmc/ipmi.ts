/**
 * Files of ipmi_sim, OpenIPMI's baseboard controller: Debian has no sample of them. It needs a
 * folder for its state, `-n` for no console, and cipher suite 3: it refuses 17, which ipmitool
 * would take by itself elsewhere. Whatever is behind it is switched and read by a program that it
 * starts for each question: `chassis get power` answers `power:1`, `chassis set power 0` cuts.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Where a controller listens, who may use it, and which program is behind it. */
export type IpmiPlace = {
  /** Folder for its files, which only root may see. */
  readonly folder: string
  readonly address: string
  readonly port: number
  readonly user: string
  /** At most 16 characters. */
  readonly password: string
  /** Program with its arguments. */
  readonly chassis: string
  /** Where the machine's serial line is, such as tcp:127.0.0.1:4000; left out: it has none. */
  readonly serial?: string
}

/** The cipher suite that it takes. */
export const cipherSuite = 3

const emulator = `mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
sel_enable 0x20 1000 0x0a
mc_enable 0x20
`

const lan = ({
  address,
  port,
  user,
  password,
  chassis,
  serial
}: IpmiPlace): string => `name "machine"
set_working_mc 0x20
  startlan 1
    addr ${address} ${port}
    priv_limit admin
    allowed_auths_admin none md2 md5 straight
    guid a123456789abcdefa123456789abcd02
  endlan
  chassis_control "${chassis}"
  user 2 true "${user}" "${password}" admin 10 none md2 md5 straight
${serial === undefined ? '' : `  sol "${serial}" 115200\n`}`

/** Writes its files, and gives the line that starts it. */
export async function writeIpmiFiles(place: IpmiPlace): Promise<readonly string[]> {
  const { folder } = place
  await mkdir(join(folder, 'state'), { recursive: true, mode: 0o700 })
  const [lanFile, emulatorFile] = [join(folder, 'lan.conf'), join(folder, 'bmc.emu')]
  await writeFile(emulatorFile, emulator)
  await writeFile(lanFile, lan(place), { mode: 0o600 })
  return ['ipmi_sim', '-c', lanFile, '-f', emulatorFile, '-s', join(folder, 'state'), '-n']
}
