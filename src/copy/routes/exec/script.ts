/** The first lines of every script that uses the container's usual programs. */
export const shellStart =
  'export LC_ALL=C PATH="${PATH:+$PATH:}/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"; set -f'

/**
 * Shell functions: `plain` decodes a path by `printf %b`; `filesystem` finds the filesystem of the working directory,
 * and sets `busy` if the path given is itself a mount point.
 */
export const locationFunctions = `
plain() { case $1 in *\\\\*) plain=$(printf '%b.' "$1"); plain=\${plain%.} ;; *) plain=$1 ;; esac; }

filesystem() {
  filesystem=unknown longest=0 busy=no
  IFS='
'
  for line in $(cat /proc/self/mountinfo); do
    point=\${line#* * * * }
    plain "\${point%% *}"
    [ "$plain" != "$1" ] || busy=yes
    plain=\${plain%/}
    case \${PWD%/}/ in "$plain"/*)
      [ \${#plain} -lt $longest ] || { longest=\${#plain} filesystem=\${line#* - }; }
    esac
  done
  unset IFS
  filesystem=\${filesystem%% *}
}
`

/** A shell function that creates missing directories, and counts them for `clean`. */
export const makeFunction = `
make() {
  [ ! -d "$1/" ] || return 0
  make "\${1%/*}" && mkdir "$1" || return
  made=$((made + 1))
  eval "made$made=\\$1"
  [ "$uid" = 0 ] || return 0
  set -- "$1" $(ls -lnd "\${1%/*}/")
  [ "$4:$5" = 0:0 ] || chown "$4:$5" "$1"
}
`

/** A shell function that renames over an existing file, which may be a link to a directory. */
export const swapFunction = `
swap() {
  if [ -d "$2" ] && [ ! -L "$2" ]; then no directory; fi
  why=$(mv -fT "$1" "$2" 2>&1) && return
  if [ -L "$2" ]; then
    rm -f "$2" && mv -f "$1" "$2"
    return
  fi
  case $why in
    *ption*|*sage:*) mv -f "$1" "$2" ;;
    *) echo "$why" >&2; false ;;
  esac
}
`

/**
 * The program that the route `exec` runs in the container: a POSIX shell program (dash, bash, busybox) that reads
 * orders as lines of its stdin and answers with lines. Its text holds nothing of the files to write, because command
 * lines are visible. When it ends, also because its stdin has ended, it removes staged files.
 *
 * - unasked, at the start: `purser UID GID` of the user that it runs as, or `missing PROGRAM`
 * - `look N SIZE DIGEST PATH` gives `at FILESYSTEM KIND PERMISSIONS UID GID SAME`; KIND is none, file, link, directory,
 *   fifo, socket, device or mount (a mount point itself); SAME is yes for a file of this content, unread for an
 *   unreadable one, otherwise no; unless it is yes, the fields between are `-`. Changes nothing.
 * - `put N MASK MODE UID:GID yes|no TEMPORARY`, then SIZE bytes, gives `staged`; MODE is `-` if MASK already yields it,
 *   and yes gives the file to that user
 * - `commit` gives `changed` once all files are renamed, then `read KIND PERMISSIONS UID GID SAME` for each put
 * - instead of any of these: `no REASON N`, and it ends
 *
 * Paths are encoded for `printf %b`. The next line is sent only after the previous answer, because busybox reads ahead;
 * `head` then takes no more of stdin than was sent. Busybox's `head` cannot report a full disk, but its `cat` can
 * (`full`). Its `mv -T`, and every `mv` without -T, follows a link to a directory (`swap`). If several mounts cover one
 * path, the last one counts.
 */
export const script = `
export LC_ALL=C PATH="\${PATH:+$PATH:}/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
set -f
umask 077
puts= made=0
clean() {
  for n in $puts; do eval "[ -z \\"\\$new$n\\" ] || rm -f \\"\\$new$n\\""; done
  while [ $made -gt 0 ]; do eval "rmdir \\"\\$made$made\\"" 2>/dev/null; made=$((made - 1)); done
}
trap clean 0
trap 'exit 1' 1 2 13 15
no() { echo "no $1 $n"; exit 1; }
for need in cat chmod head ls mkdir mv rm; do
  command -v $need >/dev/null 2>&1 || { echo "missing $need"; exit 1; }
done
if command -v sha256sum >/dev/null 2>&1; then
  sum() { sum=$(sha256sum <"$1") && sum=\${sum%% *}; }
elif command -v openssl >/dev/null 2>&1; then
  sum() { sum=$(openssl dgst -sha256 <"$1") && sum=\${sum##* }; }
elif command -v shasum >/dev/null 2>&1; then
  sum() { sum=$(shasum -a 256 <"$1") && sum=\${sum%% *}; }
else echo 'missing sha256sum, openssl and shasum'; exit 1; fi

${locationFunctions}
state() {
  if [ -L "$1" ]; then state=link
  elif [ -f "$1" ]; then state=file
  elif [ -d "$1" ]; then state=directory
  elif [ -p "$1" ]; then state=fifo
  elif [ -S "$1" ]; then state=socket
  elif [ -e "$1" ]; then state=device
  else state=none; fi
  same=no
  if [ $state = file ]; then
    # Not [ -r ], because busybox's says that root may read everything.
    if ! sum "$1" 2>/dev/null; then same=unread
    elif [ "$sum" = "$2" ]; then same=yes; fi
  fi
  if [ $same = yes ]; then set -- $(ls -lnd "$1"); else set -- - - - -; fi
  state="$state $1 $3 $4 $same"
}

look() {
  n=$1 size=$2 digest=$3
  plain "$4"
  path=$plain near=\${plain%/*} part=no
  until cd -P "\${near:-/}" 2>/dev/null; do
    [ ! -d "$near" ] || no denied
    [ ! -e "$near" ] && [ ! -L "$near" ] || no way
    near=\${near%/*} part=yes
  done
  eval "path$n=\\$path size$n=$size digest$n=$digest part$n=$part dir$n=\\\${PWD%/}"
  set -- "\${PWD%/}/\${path##*/}"
  filesystem "$1"
  if [ $part = yes ]; then state='none - - - no'
  elif [ $busy = yes ]; then state='mount - - - no'
  else state "$1" $digest; fi
  echo "at $filesystem $state"
}

${makeFunction}
full() {
  [ ! -f "$new" ] || { chmod 600 "$new" && cat /proc/self/status >>"$new"; }
  no write
}

put() {
  n=$1 mask=$2 mode=$3 owner=$4 give=$5 temporary=$6
  eval "path=\\$path$n size=\\$size$n digest=\\$digest$n part=\\$part$n dir=\\$dir$n"
  if [ $part = yes ]; then
    umask 022
    make "\${path%/*}" || no make
    umask 077
    cd -P "\${path%/*}" || no way
    dir=\${PWD%/}
  fi
  to=$dir/\${path##*/} new=$dir/$temporary
  for other in $puts; do
    eval "[ \\"\\$to$other\\" != \\"\\$to\\" ]" || no twice
  done
  puts="$puts $n"
  eval "to$n=\\$to new$n=\\$new"
  umask $mask
  set -C
  head -c $size >"$new" || full
  set +C
  umask 077
  sum "$new" || no sum
  [ "$sum" = $digest ] || no digest
  [ ! -g "$dir" ] || give=yes
  [ $give = no ] || chown :\${owner#*:} "$new" || no chown
  [ $mode = - ] || chmod $mode "$new" || no chmod
  [ $give = no ] || chown $owner "$new" || no chown
  echo staged
}

${swapFunction}
commit() {
  for n in $puts; do
    eval "swap \\"\\$new$n\\" \\"\\$to$n\\"" || no rename
    eval "new$n="
  done
  made=0
  echo changed
  for n in $puts; do
    eval "state \\"\\$path$n\\" \\$digest$n"
    echo "read $state"
  done
}

uid= gid=
while read -r key real effective rest; do
  case $key in Uid:) uid=$effective ;; Gid:) gid=$effective ;; esac
done </proc/self/status
echo "purser $uid $gid"
while read -r order rest; do
  case $order in
    look|put) $order $rest ;;
    commit) commit ;;
  esac
done
`.trimStart()
