import type { Command } from './options.ts';

/** A completion script for the commands and their options; undefined for a shell that is not known. */
export function completionScript(shell: string, commands: readonly Command[]): string | undefined {
  switch (shell) {
    case 'bash':
      return bash(commands);
    case 'zsh':
      return `#compdef carmine\nautoload -U +X bashcompinit && bashcompinit\n${bash(commands)}`;
    case 'fish':
      return fish(commands);
    default:
      return undefined;
  }
}

function bash(commands: readonly Command[]): string {
  const cases = [...tree(commands)].map(([path, words]) => `    "${path}") words="${words.join(' ')}" ;;`);
  return `_carmine() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" path="" words="" word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) ;; *) [ "$(wc -w <<<"$path")" -lt 2 ] && path="\${path:+$path }$word" ;; esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _carmine carmine`;
}

function fish(commands: readonly Command[]): string {
  const lines = ['complete -c carmine -f'];
  for (const [path, words] of tree(commands)) {
    const seen = path === '' ? '__fish_use_subcommand' : `__fish_seen_subcommand_from ${path.split(' ').at(-1)}`;
    lines.push(`complete -c carmine -n '${seen}' -a '${words.join(' ')}'`);
  }
  return lines.join('\n');
}

/** What may follow each prefix of words: further words, and options where a command is complete. */
function tree(commands: readonly Command[]): Map<string, string[]> {
  const result = new Map<string, string[]>();
  const add = (path: string, word: string) => {
    const words = result.get(path) ?? [];
    if (!words.includes(word)) words.push(word);
    result.set(path, words);
  };
  for (const { words, options } of commands) {
    for (const [index, word] of words.entries()) add(words.slice(0, index).join(' '), word);
    for (const option of Object.keys(options)) add(words.join(' '), `--${option}`);
  }
  return result;
}
