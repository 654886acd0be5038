/** How a script begins that uses the container's usual programs. */
export const shellStart =
  'export LC_ALL=C PATH="${PATH:+$PATH:}/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"; set -f'

/** Shell functions: what `printf %b` reads, and the filesystem of the working directory, where a mount point may be `busy`. */
export const placeParts = `
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

/** Directories that are missing, counted for `clean`. */
export const makePart = `
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

/** A rename over what is there, which may be a link to a directory. */
export const swapPart = `
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
 * The program that the route `exec` runs in the container: for a POSIX shell (dash, bash, busybox), told by lines of
 * its stdin what to do and answers with lines. It holds nothing of what it is to write, since command lines can be
 * seen. When it ends, also because its stdin did, what was staged is removed.
 *
 * - by itself first: `purser UID GID` of the user that it runs as, or `missing PROGRAM`
 * - `look N SIZE DIGEST PATH` gives `at FILESYSTEM KIND PERMISSIONS UID GID SAME`; KIND is none, file, link, directory,
 *   fifo, socket, device or mount (a mount point itself); SAME is yes for a file of this content, unread for one that
 *   may not be read, otherwise no; without a yes the rest is `-`. Changes nothing.
 * - `put N MASK MODE UID:GID yes|no TEMPORARY`, then SIZE bytes, gives `staged`; MODE is `-` where MASK makes it,
 *   and yes gives the file to that user
 * - `commit` gives `changed` once all names are changed, then `read KIND PERMISSIONS UID GID SAME` for each put
 * - instead of any of these: `no REASON N`, and it ends
 *
 * Paths come as `printf %b` reads them. `head` takes no more of stdin than there is, and the next line is sent only
 * after its answer: busybox reads ahead. It cannot tell a full disk either, but its `cat` can (`full`); and its
 * `mv -T` follows a link to a directory (`swap`), as do those without -T. Of the mounts over one place the last counts.
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

${placeParts}
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
    # Not [ -r ], by which busybox thinks that root may read everything.
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

${makePart}
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

${swapPart}
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
