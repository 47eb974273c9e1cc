/**
 * Node's HTTP server. Importing `node:http` as a module reads all that it exports, also what is
 * only made on demand: that loads its whole HTTP client, an eighth of an agent's start.
 */
export const { createServer } = process.getBuiltinModule('node:http')
