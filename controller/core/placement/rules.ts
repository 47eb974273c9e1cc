import { filterAcceleration } from './filter-acceleration.ts'
import { filterApproved } from './filter-approved.ts'
import { filterArchitecture } from './filter-architecture.ts'
import { filterAvoided } from './filter-avoided.ts'
import { filterCpuFeatures } from './filter-cpu-features.ts'
import { filterDedicated } from './filter-dedicated.ts'
import { filterDriver } from './filter-driver.ts'
import { filterGroups } from './filter-groups.ts'
import { filterLabels } from './filter-labels.ts'
import { filterMemory } from './filter-memory.ts'
import { filterNetworks } from './filter-networks.ts'
import { filterNuma } from './filter-numa.ts'
import { filterOnline } from './filter-online.ts'
import { filterOrder } from './filter-order.ts'
import { filterPinned } from './filter-pinned.ts'
import { filterPools } from './filter-pools.ts'
import { filterScarce } from './filter-scarce.ts'
import { filterVcpus } from './filter-vcpus.ts'
import type { Rules } from './pipeline.ts'
import { scoreFreeMemory } from './score-free-memory.ts'
import { contributionsOf, rounded, scoreBy, totalOf, wordsOf } from './scores.ts'
import type { Weights } from './weights.ts'

/**
 * The rules by which the reserve plans, and by which whatever moves or has lost its host is placed,
 * the ones that explain most first.
 */
export const rules: Rules = {
  filters: [
    filterPinned,
    filterApproved,
    filterOnline,
    filterAvoided,
    filterArchitecture,
    filterDriver,
    filterAcceleration,
    filterCpuFeatures,
    filterDedicated,
    filterLabels,
    filterMemory,
    filterVcpus,
    filterScarce,
    filterNuma,
    filterPools,
    filterNetworks,
    filterOrder,
    filterGroups
  ],
  score: scoreFreeMemory
}

/** The rules for new instances: the same filters, and the scores as they are weighed. */
export function weighedRules(weights: Weights): Rules {
  return {
    filters: rules.filters,
    score: scoreBy(weights),
    because: (candidate, demand) => {
      const parts = contributionsOf(candidate, demand, weights)
      const isPlain = parts.every(({ name, value }) => name === 'memory' || value === 0)
      if (isPlain && demand.groups === undefined) return 'the most free memory'
      return `the highest score, ${rounded(totalOf(parts))}: ${wordsOf(parts)}`
    }
  }
}
