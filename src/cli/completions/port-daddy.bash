# Completion of port-daddy for bash. In ~/.bashrc:
#   eval "$(port-daddy completions bash)"

_port_daddy() {
  local reply candidate
  COMPREPLY=()
  reply=$(command port-daddy __complete bash "${COMP_LINE:0:COMP_POINT}" "$2" 2>/dev/null) || return 0
  case $reply in
  $'\tprogram') _port_daddy_program "$2" ;;
  $'\tdirectory')
    compopt -o filenames 2>/dev/null
    while IFS= read -r candidate; do COMPREPLY+=("$candidate"); done < <(compgen -d -- "$2")
    ;;
  ?*) while IFS= read -r candidate; do COMPREPLY+=("$candidate"); done <<<"$reply" ;;
  esac
}

# After `--` stands a command of its own, which its own completion knows best.
_port_daddy_program() {
  local at=0 candidate
  while [ "${COMP_WORDS[at]}" != -- ]; do at=$((at + 1)); done
  if declare -F _comp_command_offset >/dev/null; then
    _comp_command_offset $((at + 1))
  elif declare -F _command_offset >/dev/null; then
    _command_offset $((at + 1))
  elif [ "$COMP_CWORD" = $((at + 1)) ]; then
    while IFS= read -r candidate; do COMPREPLY+=("$candidate"); done < <(compgen -c -- "$1" | sort -u)
  else
    compopt -o filenames 2>/dev/null
    while IFS= read -r candidate; do COMPREPLY+=("$candidate"); done < <(compgen -f -- "$1")
  fi
}

complete -F _port_daddy port-daddy
# Something else may be called pd.
[[ $(type -P pd) -ef $(type -P port-daddy) ]] && complete -F _port_daddy pd
:
