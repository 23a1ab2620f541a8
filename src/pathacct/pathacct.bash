# bash completion of pathacct(1)
_pathacct()
{
    local commands="status exporters peers routes templates options plugins ledger log configuration"
    local options="--socket --url --token-file --ca-file --json --watch --peer --rd --limit --help --version"
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}

    case $previous in
    -s | --socket | --token-file | --ca-file)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    -u | --url | --peer | --rd | --limit)
        return
        ;;
    esac
    if [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
    else
        mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$current")
    fi
}
complete -o filenames -F _pathacct pathacct
