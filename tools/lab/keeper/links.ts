/** Interfaces as a host sees them. */
export const hostLinks = { hosts: 'eth0', instances: 'eth1' } as const
