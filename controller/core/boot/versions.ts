/**
 * Judges whether a version of the host image can be booted: every bootd that serves boots must have
 * it whole. A machine asks the bootd of its own boot network, and would wait in its firmware for
 * what only another one has. What is asked for too early is fetched by those that lack it.
 */

import type { Host, HostSpec } from '#shared/model/host.ts'
import type { BootReport } from '#shared/wire/boot.ts'
import { listed, type Refusal, refuse } from '../refusal.ts'
import type { View } from '../view.ts'
import { hasWhole } from './boots.ts'
import { imagesShown } from './shown.ts'

/** Refuses a pin to a version that a bootd lacks: the host would wait in its firmware for it. */
export function refusePin(view: View, host: Host, spec: HostSpec): Refusal | undefined {
  const { image } = spec
  if (image === undefined || image === host.spec.image) return undefined
  return refuseVersion(view, image, {
    cannot: `cannot have host ${host.name} boot image ${image}`,
    pointer: '/spec/image'
  })
}

/** How a refusal begins, and which field it is about. */
type Asked = { readonly cannot: string; readonly pointer?: string | undefined }

/** Says why machines cannot be given a version; undefined when every bootd could give it. */
export function refuseVersion(
  view: View,
  version: string,
  { cannot, pointer }: Asked
): Refusal | undefined {
  if (view.boots.has(version)) return refuseLacking(view, version, { cannot, pointer })
  if (view.boots.bootds.size === 0) {
    return refuse('unavailable', `${cannot}: no bootd is heard`, {
      reasons: ['which versions there are is what bootds say, and nothing else'],
      next: ['remuda status', 'remuda boot show'],
      ...(pointer !== undefined && { pointer })
    })
  }
  const images = imagesShown(view)
  const problems = images.find(one => one.version === version)?.problems ?? []
  const whole = images.filter(({ bootds }) => bootds.length > 0)
  const versions = whole.map(({ version, role }) =>
    role === 'none' ? version : `${version} (${role})`
  )
  return refuse('not-found', `${cannot}: no bootd has it whole and rightly signed`, {
    reasons: [
      ...problems,
      versions.length === 0
        ? `${view.boots.bootds.size} bootds are heard, and none has a version`
        : `there are ${listed(versions)}`
    ],
    next: ['remuda host-image list', 'remuda host-image build'],
    ...(pointer !== undefined && { pointer })
  })
}

/** Refuses what some bootd that serves boots could not give; which ones, why, and what to do. */
function refuseLacking(
  view: View,
  version: string,
  { cannot, pointer }: Asked
): Refusal | undefined {
  const lacking = view.boots.lacking(version)
  if (lacking.length === 0) return undefined
  const isServed = [...view.boots.bootds.values()].some(
    ({ report }) => hasWhole(report, version) && report.url !== undefined
  )
  // Without settings there is no plan that could say what is to be fetched.
  const isPlanned = view.cloud?.boot !== undefined
  const names = listed(lacking.map(([bootd]) => bootd))
  const who = lacking.length === 1 ? `the bootd of ${names} lacks it` : `bootds lack it: ${names}`
  return refuse('conflict', `${cannot}: ${who}`, {
    reasons: [
      ...lacking.slice(0, 5).map(([bootd, report]) => `${bootd}: ${whyLacking(report, version)}`),
      !isServed
        ? 'it cannot be fetched: no bootd that has it serves it'
        : isPlanned
          ? 'from now on it is fetched from where it is'
          : 'it is fetched once it is set how machines boot'
    ],
    next: [
      ...(isPlanned ? [] : ['remuda boot set --image-key FILE']),
      `remuda host-image list: wait until it stands there AT ${names}, and try again`,
      'where space is short: free some where that bootd keeps its state',
      'to do without that bootd: stop its remuda-bootd, or set its bootMode to off'
    ],
    seeks: version,
    ...(pointer !== undefined && { pointer })
  })
}

/** Why a bootd lacks a version, as far as it has said that. */
function whyLacking({ images, problem }: BootReport, version: string): string {
  const broken = images.find(one => one.manifest.version === version)?.problem
  if (broken !== undefined) return broken
  // What is wrong with other parts of it is told beside.
  const said = problem?.split('; ').filter(part => part.includes(version)) ?? []
  return said.length > 0 ? said.join('; ') : 'it is not there yet'
}
