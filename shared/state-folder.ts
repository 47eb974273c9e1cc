/**
 * Folder of all state when nothing else is said. Daemons, command line, `up` and `down` must agree
 * on it: they find each other's sockets and tokens there.
 */
export const stateDefault = '/var/lib/remuda'
