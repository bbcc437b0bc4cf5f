import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { commands } from '../src/commands.ts';
import { completionScript } from '../src/completion.ts';

const bash = completionScript('bash', commands) ?? '';

/** What bash offers for a command line whose last word is being written. */
function complete(line: string): string[] {
  const words = line.split(' ');
  const script = `${bash}\nCOMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')})\nCOMP_CWORD=${words.length - 1}\n_carmine\nprintf '%s\\n' "\${COMPREPLY[@]}"`;
  const { status, stdout, stderr } = spawnSync('bash', ['-c', script], { encoding: 'utf8' });
  expect([status, stderr]).toEqual([0, '']);
  return stdout.split('\n').filter((word) => word !== '');
}

describe('completion', () => {
  it.each(['bash', 'zsh', 'fish'])('%s has every word of every command', (shell) => {
    const script = completionScript(shell, commands) ?? '';
    for (const { words } of commands) for (const word of words) expect(script).toMatch(new RegExp(`[ "']${word}[ "']`));
  });

  it('knows three shells', () => {
    for (const shell of ['', 'sh', 'BASH', 'powershell']) expect(completionScript(shell, commands)).toBeUndefined();
  });

  it('is clean bash', () => {
    const { status, stderr } = spawnSync('bash', ['-n'], { input: bash, encoding: 'utf8' });
    expect([status, stderr]).toEqual([0, '']);
  });

  it.each([
    ['carmine ', [...new Set(commands.map(({ words }) => words[0]))]],
    ['carmine j', ['job']],
    ['carmine job cr', ['create', 'credentials']],
    ['carmine job watch --int', ['--interval']],
    ['carmine copy --sh', ['--sha256']],
    // Options and their values before do not hide the command.
    ['carmine url-group auth --en', ['--enable']],
    ['carmine explain --', ['--json', '--ndjson']],
    ['carmine nonsense ', []],
  ])('%j', (line, expected) => {
    expect(new Set(complete(line))).toEqual(new Set(expected));
  });
});
