/**
 * The shell script that starts a program. It follows links to itself, so that it can be linked into
 * a folder of the PATH, and takes the Node of the npm packages, since that of the distribution may
 * be too old. Compiled code is kept beside the bundles and not in `/tmp`, where anybody could have
 * put code for root to run. Source maps cost a program nothing until it fails.
 */
/** Where Node keeps what it compiled, beside the bundles. */
export const compiledFolder = '.cache'

/** The text of the launcher of one program. */
export const launcher = (name: string): string => `#!/bin/sh
here=$(readlink -f "$0")
here=\${here%/*}
node=$here/../node_modules/.bin/node
[ -x "$node" ] || node=node
NODE_COMPILE_CACHE=\${NODE_COMPILE_CACHE:-$here/${compiledFolder}}
export NODE_COMPILE_CACHE
exec "$node" --enable-source-maps "$here/${name}.js" "$@"
`
