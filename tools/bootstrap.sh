#!/bin/sh
# Makes this machine ready: `sh tools/bootstrap.sh run` to run Remuda, `… test` to test it, `… lab` for
# labs of many hosts. Installs the Debian packages that are missing and, but for labs, which npm
# packages have brought up, the npm packages of package-lock.json, and where nothing
# is missing does nothing, in a fraction of a second. Needs Linux, root, and any Node from 20 on; the
# Node that everything else runs on comes with the npm packages.
#
# Addresses of package servers are nobody's business in a log: what apt and npm say is kept back, and
# shown without them when they fail.
set -eu
export LC_ALL=C

node_least=20
# How long another bootstrap on this machine may take before we give up on it.
wait_seconds=900
stamp=node_modules/.remuda-stamp

main() {
  mode=${1:-}
  case $mode in run | test | lab) ;; *) fail "cannot prepare for '$mode': say run, test or lab" ;; esac
  cd "$(dirname "$0")/.."
  check_machine
  work=$(mktemp -d)
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  list_missing
  if [ "$mode$(cat "$work/missing")" = lab ] && ! services_held; then return; fi
  npm_key >"$work/key"
  if [ ! -s "$work/missing" ] && cmp -s "$work/key" "$stamp" && ! services_held; then return; fi
  lock
  install_packages
  [ "$mode" = lab ] || install_modules
}

check_machine() {
  [ "$(uname -s)" = Linux ] ||
    fail "cannot run on $(uname -s): Remuda needs Linux with KVM or without, such as Debian 12"
  [ "$(id -u)" = 0 ] ||
    fail "cannot prepare this machine as user $(id -un): root is needed to install packages," \
      'run virtual machines and set up networks. Try: sudo npm run up (or: sudo npm test)'
  command -v node >/dev/null ||
    fail "cannot find node: install Node $node_least or newer, such as: apt-get install nodejs npm"
  node_version=$(node -p process.versions.node)
  [ "${node_version%%.*}" -ge "$node_least" ] ||
    fail "cannot start with Node $node_version: it must be $node_least or newer"
}

# Writes the names of packages that this mode needs and that are not installed, one a line.
list_missing() {
  lists=tools/packages/run.txt
  [ "$mode" = run ] || lists="$lists tools/packages/lab.txt"
  [ "$mode" != test ] || lists="$lists tools/packages/test.txt"
  # shellcheck disable=SC2086
  sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' $lists | sort -u >"$work/wanted"
  : >"$work/missing"
  if ! command -v dpkg-query >/dev/null; then
    say 'this is no Debian: you install by hand what its packages hold that are listed in' "$lists"
    return
  fi
  # It ends with 1 where it does not know one of them, which is just what we want to learn.
  # shellcheck disable=SC2016,SC2046
  { dpkg-query --show --showformat '${db:Status-Abbrev} ${Package}\n' $(cat "$work/wanted") || :; } \
    2>"$work/unknown" | sed -n 's/^.i  *//p' | sort -u >"$work/installed"
  comm -23 "$work/wanted" "$work/installed" >"$work/missing"
}

install_packages() {
  # Another bootstrap may have installed them while we waited.
  list_missing
  [ -s "$work/missing" ] || return 0
  # shellcheck disable=SC2046
  say 'installing Debian packages:' $(cat "$work/missing")
  hold_services
  apt 'read which packages there are' update
  # shellcheck disable=SC2046
  apt 'install packages' install --yes --no-install-recommends $(cat "$work/missing")
  release_services
  list_missing
  [ ! -s "$work/missing" ] || fail "cannot find after installing: $(tr '\n' ' ' <"$work/missing")"
}

apt() {
  task=$1
  shift
  run_quietly "$task" 's/^Setting up \([^ ]*\).*/bootstrap:   \1/p' \
    env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get -o DPkg::Lock::Timeout=300 \
    -o Acquire::Retries=3 -o Acquire::http::Timeout=60 -o Dpkg::Use-Pty=0 "$@"
}

# A freshly installed libvirt would start its daemons at once; when they start is for `npm run up` to
# say. Debian asks this script before it starts or restarts any service. One that somebody else put
# there stays; one of ours that a power cut left behind is known by its mark.
policy=/usr/sbin/policy-rc.d
policy_mark='# put here by the bootstrap of Remuda, until the packages are installed'

hold_services() {
  if [ -e "$policy" ]; then return; fi
  printf '#!/bin/sh\n%s\nexit 101\n' "$policy_mark" >"$policy"
  chmod 755 "$policy"
}

services_held() { [ -e "$policy" ] && grep -qxF "$policy_mark" "$policy"; }

release_services() {
  if services_held; then rm -f "$policy"; fi
}

# Changes whenever other npm packages are to be installed, or the same ones for another machine.
npm_key() {
  sha256sum <package-lock.json
  uname -m
}

install_modules() {
  if cmp -s "$work/key" "$stamp"; then return; fi
  say 'installing npm packages, which takes about a minute'
  rm -f "$stamp"
  run_quietly 'install npm packages' '' npm ci --include=dev --no-audit --no-fund --loglevel=error
  [ -x node_modules/.bin/node ] || fail 'cannot find node_modules/.bin/node after npm ci'
  cp "$work/key" "$stamp"
}

# Runs a command; shows those of its lines that the sed script prints, and when it fails the last.
run_quietly() {
  task=$1 filter=$2
  shift 2
  started=$(date +%s)
  { "$@" 2>&1 </dev/null 9>&- && echo 0 >"$work/code" || echo $? >"$work/code"; } |
    tee "$work/output" | sed -nu "$filter"
  code=$(cat "$work/code")
  seconds=$(($(date +%s) - started))
  if [ "$code" != 0 ]; then
    tail -n 40 "$work/output" | sed -E 's#[a-z+]+://[^ ]*#(address)#g' >&2
    fail "cannot $task: exit code $code after $seconds s"
  fi
  say "done in $seconds s: $task"
}

# One bootstrap at a time, by a lock on the folder where services are held; the kernel lifts it when
# we end, however that comes about, and no file of ours is left.
lock() {
  exec 9<"${policy%/*}"
  flock -n 9 || say 'waiting for another bootstrap on this machine'
  flock -w "$wait_seconds" 9 ||
    fail "cannot start: another bootstrap has been running for $wait_seconds s"
  locked=yes
  release_services
}

clean_up() {
  rm -rf "$work"
  if [ "${locked:-no}" = yes ]; then release_services; fi
}

say() { echo "bootstrap: $*"; }

fail() {
  echo "bootstrap: $*" >&2
  # Who counts tests reads the last line; a test run that could not start is one failure.
  [ "${mode:-}" != test ] || echo '0 passed, 1 failed'
  exit 1
}

main "$@"
