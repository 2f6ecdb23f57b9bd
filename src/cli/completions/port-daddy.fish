# Completion of port-daddy for fish. In ~/.config/fish/config.fish:
#   port-daddy completions fish | source

function __port_daddy_complete
    set -l before (commandline -opc)
    set -e before[1]
    set -l typed (commandline -ct)
    # A quote may be open.
    set -l word (string replace -r '^[\'"]' '' -- "$typed")
    set -l reply (command port-daddy __complete fish $before "$word" 2>/dev/null)
    switch "$reply[1]"
        case \tprogram
            # After `--` stands a command of its own, which its own completion knows best.
            set -l at (contains -i -- -- $before)
            set -e before[1..$at]
            complete --do-complete "$(string join ' ' -- (string escape -- $before) "$typed")"
        case \tdirectory
            __fish_complete_directories "$typed"
        case '*'
            printf '%s\n' $reply
    end
end

complete -c port-daddy -e
complete -c port-daddy -f -k -a '(__port_daddy_complete)'
# Something else may be called pd.
if command -q pd; and command -q port-daddy
    and test (realpath (command -s pd)) = (realpath (command -s port-daddy))
    complete -c pd -e
    complete -c pd -f -k -a '(__port_daddy_complete)'
end
