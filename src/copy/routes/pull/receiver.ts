import { randomBytes } from "node:crypto"
import { escapeForPrintf } from "../exec/protocol.ts"
import { makeFunction, locationFunctions, swapFunction } from "../exec/script.ts"

/**
 * The program that downloads files in the container: a POSIX shell program (dash, bash, busybox), the same for every
 * container, so that it can be part of an image. It reads orders as lines of its stdin and answers with lines. No
 * secret is ever on a command line or in an environment. When it ends, also because its stdin has ended, it removes
 * files that are staged and not committed.
 *
 * - `get N URL PASSWORD KEY CONTAINER WITNESS PATH MODE OWNER MEMORY TEMPORARY` downloads, verifies, decrypts and
 *   stages, and gives `staged N`. KEY is the base64 of a PEM, PATH is encoded for `printf %b`, OWNER is `UID:GID` or
 *   `-`, MEMORY is yes if a disk is to be refused. WITNESS is an id that this container's own /proc must show, or `-`.
 * - `commit` renames everything that is staged and gives `changed`
 * - instead of any of these: `missing PROGRAM`, or `no REASON N`, and it ends
 *
 * The unset is needed because an exported variable stays exported when a shell assigns to it. There are no
 * here-documents, because some shells write them to a disk, and no printf but the shell's own, because an external one
 * has a command line.
 */
export const receiverScript = `#!/bin/sh
set +ax
unset order rest url password key http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY
export LC_ALL=C PATH="\${PATH:+$PATH:}/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
set -f
umask 077
dirs= puts= made=0 n=0
clean() {
  for c in $dirs; do eval "rm -rf \\"\\$stage$c\\""; done
  while [ $made -gt 0 ]; do eval "rmdir \\"\\$made$made\\"" 2>/dev/null; made=$((made - 1)); done
}
trap clean 0
trap 'exit 1' 1 2 13 15
no() { echo "no $1 $n"; exit 1; }
for need in cat chmod chown head ls mkdir mv od openssl rm rmdir tail; do
  command -v $need >/dev/null 2>&1 || { echo "missing $need"; exit 1; }
done
[ "$(command -v printf)" = printf ] || { echo 'missing a shell with its own printf'; exit 1; }
if command -v wget >/dev/null 2>&1; then
  limit=
  ! timeout 5 true </dev/null >/dev/null 2>&1 || limit='timeout 30'
  fetch() { $limit wget -q -O "$2" "$1" </dev/null; }
elif command -v curl >/dev/null 2>&1; then
  fetch() { curl -q -fsS -m 30 --noproxy '*' -o "$2" "$1" </dev/null; }
else echo 'missing wget and curl'; exit 1; fi
${locationFunctions}${makeFunction}${swapFunction}
get() {
  n=$1 url=$2 password=$3 key=$4 cid=$5 witness=$6 mode=$8 owner=$9
  plain "$7"
  shift 9
  memory=$1 path=$plain near=\${plain%/*} uid=
  [ "$witness" = - ] || case $(cat /proc/self/cgroup /proc/self/mountinfo) in *$witness*) ;; *) no container ;; esac
  until cd -P "\${near:-/}" 2>/dev/null; do
    [ ! -d "$near" ] || no denied
    [ ! -e "$near" ] && [ ! -L "$near" ] || no way
    near=\${near%/*}
  done
  filesystem "\${PWD%/}/\${path##*/}"
  case $memory$filesystem in no*|yestmpfs|yesramfs) ;; *) no disk ;; esac
  if [ "$near" != "\${path%/*}" ]; then
    while read -r word real effective others; do
      [ "$word" != Uid: ] || uid=$effective
    done </proc/self/status
    umask 022
    make "\${path%/*}" || no make
    umask 077
    cd -P "\${path%/*}" || no way
  fi
  to=\${PWD%/}/\${path##*/} stage=\${PWD%/}/$2
  for other in $puts; do
    eval "[ \\"\\$to$other\\" != \\"\\$to\\" ]" || no twice
  done
  mkdir "$stage" || no mkdir
  dirs="$dirs $n"
  eval "to$n=\\$to stage$n=\\$stage"
  fetch "$url" "$stage/body" || no fetch
  size=$(head -c 1 "$stage/body" | od -An -tu1)
  size=$((size + 0))
  tail -c +2 "$stage/body" | head -c $size >"$stage/sig" || no write
  tail -c +$((size + 2)) "$stage/body" >"$stage/ct" || no write
  rm -f "$stage/body"
  printf -- '-----BEGIN PUBLIC KEY-----\\n%s\\n-----END PUBLIC KEY-----\\n' "$key" >"$stage/pk" || no write
  { printf 'purser-pull/1\\n%s\\n%s\\n%s\\n' "$cid" "$path" "$mode"; cat "$stage/ct"; } |
    openssl dgst -sha256 -verify "$stage/pk" -signature "$stage/sig" >/dev/null || no verify
  printf '%s\\n' "$password:$cid" |
    openssl enc -d -aes-256-ctr -pbkdf2 -iter 10000 -md sha256 -pass stdin -in "$stage/ct" -out "$stage/pt" || no decrypt
  password=
  rm -f "$stage/ct"
  chmod $mode "$stage/pt" || no chmod
  [ "$owner" = - ] || chown $owner "$stage/pt" || no chown
  puts="$puts $n"
  echo "staged $n"
}

commit() {
  for n in $puts; do
    eval "swap \\"\\$stage$n/pt\\" \\"\\$to$n\\"" || no rename
  done
  made=0
  clean
  dirs= puts=
  echo changed
}

while read -r order rest; do
  case $order in
    get) get $rest ;;
    commit) commit ;;
  esac
done
`

export interface Order {
  /** The file's number, from 1, which its answer repeats. */
  readonly number: number
  readonly url: string
  readonly password: string
  readonly publicKey: string
  readonly containerId: string
  /** An id that the container's own /proc must show, or `-`. */
  readonly witness: string
  readonly path: string
  readonly mode: string
  /** `UID:GID`, or `-` for the user that runs the receiver. */
  readonly owner: string
  readonly requireTmpfs: boolean
}

/**
 * Returns the `get` line for {@link receiverScript}, without its line end. It holds no character that is special
 * between single quotes.
 */
export function orderGet(order: Order): string {
  const temporary = `.purser-${randomBytes(8).toString("hex")}.tmp`
  const keys = [order.url, order.password, order.publicKey, order.containerId, order.witness]
  const file = [
    escapeForPrintf(order.path),
    order.mode,
    order.owner,
    order.requireTmpfs ? "yes" : "no",
    temporary,
  ]
  return ["get", order.number, ...keys, ...file].join(" ")
}
