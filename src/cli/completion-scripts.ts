/** The shells that can be taught. */
export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

/**
 * What a shell reads to complete `berth`. It asks the command itself at each key (`berth complete`), so it never is of another version. A line of the answer is a word, a tab and its
 * description; `:files` asks for names of files.
 */
export const completionScripts: Record<Shell, string> = {
  bash: `# Completion of berth for bash: eval "$(berth completion bash)"
_berth() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == ':files' ]]; then
      compopt -o filenames 2>/dev/null
      while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}")
    else
      COMPREPLY+=("\${line%%$'\\t'*}")
    fi
  done < <(berth complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _berth berth
`,
  zsh: `#compdef berth
# Completion of berth for zsh: source <(berth completion zsh)
_berth() {
  local line
  local -a described
  while IFS= read -r line; do
    if [[ $line == ':files' ]]; then
      _files
      return
    fi
    described+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done < <(berth complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  _describe 'berth' described
}
compdef _berth berth
`,
  fish: `# Completion of berth for fish: berth completion fish | source
function __berth_complete
  set -l words (commandline -opc) (commandline -ct)
  for line in (berth complete -- $words[2..-1] 2>/dev/null)
    if test "$line" = ':files'
      __fish_complete_path (commandline -ct)
    else
      echo $line
    end
  end
end
complete -c berth -f -a '(__berth_complete)'
`,
};
