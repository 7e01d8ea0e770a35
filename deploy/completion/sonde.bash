# bash completion for sonde: asks the program for its commands and flags, so it is never behind.
_sonde() {
  local current=${COMP_WORDS[COMP_CWORD]} word command=() i
  for ((i = 1; i < COMP_CWORD; ++i)); do
    word=${COMP_WORDS[i]}
    [ "$word" = -- ] && { COMPREPLY=(); compopt -o default; return; }
    [[ $word == -* ]] || command+=("$word")
  done
  # At most two words are commands ("prices show"); what follows are files or programs.
  local help
  help=$("${COMP_WORDS[0]}" "${command[@]:0:2}" --help 2>/dev/null) ||
    help=$("${COMP_WORDS[0]}" "${command[@]:0:1}" --help 2>/dev/null)
  if [[ $current == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(grep -oE -- '--[a-z][a-z-]*' <<<"$help" | sort -u)" -- "$current")
    return
  fi
  mapfile -t COMPREPLY < <(compgen -W "$(sed -n '/^Subcommands:/,$ s/^  \([a-z]*\) .*/\1/p' <<<"$help")" -- "$current")
  [ ${#COMPREPLY[@]} -gt 0 ] || compopt -o default
}
complete -F _sonde sonde
