#compdef port-daddy pd
# Completion of port-daddy for zsh. In ~/.zshrc, after compinit if you call that yourself:
#   eval "$(port-daddy completions zsh)"
#
# Or as a file named _port-daddy in a directory of $fpath.

_port-daddy() {
  # Something else may be called pd.
  if [[ ${service:t} == pd && ! ${commands[pd]:-} -ef ${commands[port-daddy]:-} ]]; then
    _default
    return
  fi
  local reply line word note
  local -a before offered
  before=("${(@Q)words[2,CURRENT-1]}")
  (( CURRENT > 2 )) || before=()
  reply=$(command port-daddy __complete zsh "${before[@]}" "${(Q)PREFIX}" 2>/dev/null) || return 1
  case $reply in
    $'\tprogram')
      # After `--` stands a command of its own, which its own completion knows best.
      local at=${words[(i)--]}
      shift $at words
      (( CURRENT -= at ))
      _normal
      return
      ;;
    $'\tdirectory')
      _files -/
      return
      ;;
    '') return 1 ;;
  esac
  for line in "${(@f)reply}"; do
    word=${line%%$'\t'*}
    note=${line#"$word"}
    note=${note#$'\t'}
    word=${word//:/\\:}
    offered+=("$word${note:+:$note}")
  done
  _describe -V -t values port-daddy offered
}

# Loaded from a directory of functions, this file is the function's body; otherwise it is to be told of.
if [[ ${funcstack[1]} != _port-daddy ]]; then
  (( ${+functions[compdef]} )) || { autoload -Uz compinit && compinit -i -D }
  compdef _port-daddy port-daddy
  [[ ${commands[pd]:-} -ef ${commands[port-daddy]:-} ]] && compdef _port-daddy pd
  :
else
  _port-daddy "$@"
fi
