/**
 * Features of processors have two names: the kernel's, as in /proc/cpuinfo, by which hosts report
 * them and operators ask for them, and libvirt's, as in its cpu_map. Most are the same in both.
 */
const others: ReadonlyMap<string, string> = new Map([
  ['sse4_1', 'sse4.1'],
  ['sse4_2', 'sse4.2'],
  ['pclmulqdq', 'pclmuldq'],
  ['sha_ni', 'sha-ni'],
  ['avx_vnni', 'avx-vnni'],
  ['avx512_vnni', 'avx512vnni'],
  ['avx512_bf16', 'avx512-bf16'],
  ['avx512_vbmi2', 'avx512vbmi2'],
  ['avx512_bitalg', 'avx512bitalg'],
  ['avx512_vpopcntdq', 'avx512-vpopcntdq'],
  ['amx_tile', 'amx-tile'],
  ['amx_int8', 'amx-int8'],
  ['amx_bf16', 'amx-bf16'],
  ['tsc_deadline_timer', 'tsc-deadline'],
  ['arch_capabilities', 'arch-capabilities'],
  ['md_clear', 'md-clear']
])

/** libvirt's name of a feature that the kernel calls so. */
export const libvirtFeature = (feature: string): string => others.get(feature) ?? feature
