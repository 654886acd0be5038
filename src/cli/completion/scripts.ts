/**
 * One script a shell, which asks the program itself: so it never knows less, or another version's options. `:` and a
 * number at the end of the answer say what else the shell should do (`complete.ts`). `@{` stands for `${`.
 */
const templates = {
  bash: String.raw`# bash completion for purser: source <(purser completion bash)
_purser() {
  local IFS=$' \t\n' line directive=4 cur start= answer
  local -a words
  # Not COMP_WORDS, which are split at = and : too.
  line=@{COMP_LINE:0:COMP_POINT}
  read -a words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  cur=@{words[@{#words[@]}-1]}
  # Readline replaces only what stands behind the last of these.
  [[ $cur == *[=:]* ]] && start=@{cur%"@{cur##*[=:]}"}
  COMPREPLY=()
  answer=$(eval "$1" __complete '"@{words[@]:1}"' 2>/dev/null) || return
  while IFS= read -r line; do
    case $line in
      :[0-9]*) directive=@{line#:} ;;
      ?*)
        line=@{line%%$'\t'*}
        COMPREPLY+=("@{line#"$start"}")
        ;;
    esac
  done <<<"$answer"
  ((directive & 2)) && compopt -o nospace 2>/dev/null
  if ((directive & 16)); then line=-d; elif ((directive & 4)); then return 0; else line=-f; fi
  [[ @{#COMPREPLY[@]} == 0 ]] && compopt -o filenames 2>/dev/null
  while IFS= read -r answer; do
    COMPREPLY+=("$answer")
  done < <(compgen "$line" -- "@{cur#"$start"}")
}
complete -F _purser purser
`,
  zsh: String.raw`#compdef purser
# zsh completion for purser: source <(purser completion zsh), or as _purser in a directory of $fpath
_purser() {
  local line value directive=4
  local -a described space
  for line in "@{(@f)$(eval @{words[1]} __complete '"@{(@Q)words[2,CURRENT-1]}" "@{(Q)PREFIX}"' 2>/dev/null)}"; do
    if [[ $line == :<-> ]]; then
      directive=@{line#:}
    elif [[ -n $line ]]; then
      value=@{line%%$'\t'*}
      described+=("@{value//:/\\:}:@{@{line#$value}#$'\t'}")
    fi
  done
  (( directive & 2 )) && space=(-S '')
  (( $#described )) && _describe purser described $space
  (( (directive & 4) && ! (directive & 16) )) && return
  compset -P '*='
  if (( directive & 16 )); then _files -/; else _files; fi
}
if [[ @{funcstack[1]} == _purser ]]; then
  _purser "$@"
elif (( $+functions[compdef] )); then
  compdef _purser purser
fi
`,
  fish: String.raw`# fish completion for purser: purser completion fish | source
function __purser_complete
    set -l words (commandline -opc)
    set -l program $words[1]
    set -e words[1]
    set -l word (commandline -ct)
    set -l directive 4
    for line in ($program __complete $words "$word" 2>/dev/null)
        if string match -qr '^:\d+$' -- $line
            set directive (string sub -s 2 -- $line)
        else
            echo $line
        end
    end
    if test (math "bitand($directive, 16)") -ne 0
        __fish_complete_directories $word
    else if test (math "bitand($directive, 4)") -eq 0
        __fish_complete_path $word
    end
end
complete -c purser -f -a '(__purser_complete)'
`,
}

export type Shell = keyof typeof templates

export const shells = Object.keys(templates) as readonly Shell[]

export function completionScript(shell: Shell): string {
  return templates[shell].replaceAll("@{", "${")
}
