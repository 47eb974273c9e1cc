import { filterApproved } from './filter-approved.ts'
import { filterAvoided } from './filter-avoided.ts'
import { filterDedicated } from './filter-dedicated.ts'
import { filterDriver } from './filter-driver.ts'
import { filterGroups } from './filter-groups.ts'
import { filterLabels } from './filter-labels.ts'
import { filterMemory } from './filter-memory.ts'
import { filterOnline } from './filter-online.ts'
import { filterOrder } from './filter-order.ts'
import { filterPinned } from './filter-pinned.ts'
import { filterPools } from './filter-pools.ts'
import { filterVcpus } from './filter-vcpus.ts'
import type { Rules } from './pipeline.ts'
import { scoreFreeMemory } from './score-free-memory.ts'

/** The rules in force, the ones that explain most first. */
export const rules: Rules = {
  filters: [
    filterPinned,
    filterApproved,
    filterOnline,
    filterAvoided,
    filterDriver,
    filterDedicated,
    filterLabels,
    filterMemory,
    filterVcpus,
    filterPools,
    filterOrder,
    filterGroups
  ],
  score: scoreFreeMemory
}
