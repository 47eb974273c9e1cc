/** What a host can do now, as its document says it. */
import type { ResourceDocument } from '#shared/model/index.ts'

/**
 * Whether instances can start on it at once: it is in use, and its libvirt has said what it can
 * run, which on a slow machine comes seconds later.
 */
export function canRun({ status }: ResourceDocument): boolean {
  const facts = (status['facts'] ?? {}) as { readonly drivers?: readonly string[] }
  return status['phase'] === 'online' && (facts.drivers ?? []).length > 0
}
