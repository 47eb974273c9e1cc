/** The scripts for shells. All ask `remuda __complete`, so that they never grow old. */
import type { Invocation } from '../invocation.ts'

const bash = `# bash completion of remuda
_remuda() {
  local IFS=$'\\n' cur=\${COMP_WORDS[COMP_CWORD]} line
  COMPREPLY=()
  while IFS= read -r line; do
    if [ "$line" = ':files' ]; then
      compopt -o filenames 2>/dev/null
      COMPREPLY+=($(compgen -f -- "$cur"))
    else
      COMPREPLY+=("$line")
    fi
  done < <(remuda __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f1)
  case "\${COMPREPLY[0]}" in */) compopt -o nospace 2>/dev/null ;; esac
}
complete -F _remuda remuda
`

const zsh = `#compdef remuda
# zsh completion of remuda
_remuda() {
  local -a candidates
  local line
  for line in \${(f)"$(remuda __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)"}; do
    if [[ \${line%%$'\\t'*} == ':files' ]]; then
      _files
      return
    fi
    candidates+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  _describe remuda candidates
}
if [ "$funcstack[1]" = _remuda ]; then _remuda "$@"; else compdef _remuda remuda; fi
`

const fish = `# fish completion of remuda
function __remuda_complete
    set -l words (commandline -opc) (commandline -ct)
    for line in (remuda __complete -- $words[2..-1] 2>/dev/null)
        if string match -q -- ':files*' $line
            __fish_complete_path (commandline -ct)
        else
            echo $line
        end
    end
end
complete -c remuda -f -a '(__remuda_complete)'
`

const scripts: Readonly<Record<string, string>> = { bash, zsh, fish }

/** Writes the script of one shell. */
export async function writeScript(invocation: Invocation): Promise<void> {
  invocation.write(scripts[invocation.given.positional('SHELL')!]!)
}
