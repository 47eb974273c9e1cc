import { listed } from '../refusal.ts'
import type { Filter } from './pipeline.ts'

/** Keeps the hosts whose processors have the features, and can give them to an instance. */
export const filterCpuFeatures: Filter = ({ facts }, { cpuFeatures, type }) => {
  if (cpuFeatures === undefined || cpuFeatures.length === 0) return undefined
  if (!facts) return 'its hardware is not reported yet'
  const missing = cpuFeatures.filter(feature => !facts.cpu.features.includes(feature))
  if (missing.length > 0) {
    return `its processor ${facts.cpu.model} lacks ${listed(missing)} of ${listed(cpuFeatures)}`
  }
  if (type === 'container' || facts.kvm.works) return undefined
  return `VMs are emulated here, which gives them no ${listed(cpuFeatures)}: ${facts.kvm.because}`
}
