#!/bin/sh
# The inside of scripts/fresh-engine.ts, as process 1 of its own namespaces (mounts, network, processes): lays empty
# directories over what an earlier run may have left, starts a Docker Engine and runs the command. A shell is
# process 1 because it also waits for the processes whose parents have ended; all that still run end with it.
#
#   WORK=DIRECTORY KEEP=PATHS LOG=FILE sh scripts/fresh-engine.sh COMMAND…
#
# WORK holds the engine's data, HOME and /tmp. KEEP are the paths, one a line, that stay visible under /tmp and /run.
set -eu

# The kernel ends all the others with process 1.
trap 'exit 143' TERM

say() { printf 'fresh-engine: %s\n' "$*" >&2; }

# lay_over DIRECTORY MODE
lay_over() {
  mkdir -p "$1"
  mount -t tmpfs -o "mode=$2" tmpfs "$1"
}

# keep_under DIRECTORY BEFORE NOW: what of KEEP lies in DIRECTORY, whose content is at BEFORE, is bound to its place in NOW.
keep_under() {
  printf '%s\n' "$KEEP" | while read -r path; do
    case $path in
      "$1"/*)
        mkdir -p "$3${path#"$1"}"
        mount --rbind "$2${path#"$1"}" "$3${path#"$1"}"
        ;;
    esac
  done
}

keep_under /tmp /tmp "$WORK/tmp"
mount --rbind "$WORK/tmp" /tmp

names=$(readlink -f /etc/resolv.conf || true)
servers=$(cat /etc/resolv.conf 2>/dev/null || true)
mount --rbind /run "$WORK/run"
lay_over /run 755
keep_under /run "$WORK/run" /run
mkdir -p -m 1777 /run/lock
case $names in
  /run/*) mkdir -p "${names%/*}" && printf '%s\n' "$servers" >"$names" ;;
esac
[ -L /var/run ] || lay_over /var/run 755
lay_over /dev/shm 1777
# The engine's key and settings, and containerd's plugins.
lay_over /etc/docker 755
lay_over /opt/containerd 755

# Nothing but the loopback and the engine's own bridges: the tests need no other machine.
ip link set lo up 2>/dev/null || busybox ip link set lo up

answers() { docker version >/dev/null 2>&1; }

# start [FLAG…]: true once the engine answers.
start() {
  rm -f "$WORK/pid"
  dockerd --data-root="$WORK/data" --exec-root="$WORK/exec" --host="$DOCKER_HOST" --pidfile="$WORK/pid" \
    --exec-opt=native.cgroupdriver=cgroupfs --cgroup-parent="/${WORK##*/}" "$@" </dev/null >"$LOG" 2>&1 &
  engine=$!
  left=300
  until answers; do
    left=$((left - 1))
    [ $left -gt 0 ] && kill -0 $engine 2>/dev/null || return 1
    sleep 0.2
  done
}

if ! start; then
  # The file system below has no overlay; plain copies are slow and work everywhere.
  if ! grep -qi 'overlay\|driver not supported' "$LOG" || ! start --storage-driver=vfs; then
    say "the engine does not start:"
    tail -n 5 "$LOG" >&2
    exit 1
  fi
fi
say "a new engine: $(docker info --format '{{.ServerVersion}}, {{.Driver}}'), log in $LOG"

cd "$ROOT"
unset WORK KEEP LOG ROOT
# In the background, since a trap waits for what is in the foreground; and still with our standard input.
exec 3<&0
"$@" <&3 3<&- &
code=0
wait $! || code=$?
exit $code
