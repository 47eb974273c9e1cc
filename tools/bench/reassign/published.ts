/**
 * What others reached on the instances of the ROADEF/EURO challenge of 2012. `best` is the least
 * cost that the final table of the challenge, reports of its teams and Masson et al. (2013) name,
 * within 300 s on two cores; `peers` is the best of five published programs, run for 60 s on a
 * machine of two cores.
 */

/** What is known of an instance. */
export type Published = {
  readonly best: number
  readonly peers?: number
}

/** By name of the instance. */
export const published: Readonly<Record<string, Published>> = {
  a1_1: { best: 44_306_501 },
  a1_2: { best: 777_912_030 },
  a1_3: { best: 583_006_015 },
  a1_4: { best: 258_024_574, peers: 261_934_930 },
  a1_5: { best: 727_578_310 },
  a2_1: { best: 167 },
  a2_2: { best: 746_097_632, peers: 756_757_072 },
  a2_3: { best: 1_210_644_572 },
  a2_4: { best: 1_680_615_349 },
  a2_5: { best: 318_358_949, peers: 333_813_937 },
  b_1: { best: 3_339_186_879, peers: 3_450_032_888 },
  b_2: { best: 1_015_553_800 },
  b_3: { best: 156_835_787, peers: 160_151_487 },
  b_4: { best: 4_677_823_040 },
  b_5: { best: 922_988_809, peers: 927_749_221 }
}
