import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { commands } from '../src/commands.ts';
import { usageLine } from '../src/options.ts';
import { carmine } from './support.ts';

describe('explain', () => {
  it('explains a result code', async () => {
    const { exit, stdout, stderr } = await carmine(['explain', '0x80200013']);
    expect([exit, stderr]).toEqual([0, '']);
    const [head, meaning, remedy, ...rest] = stdout.split('\n');
    expect(head).toBe('0x80200013  BG_E_INSUFFICIENT_RANGE_SUPPORT');
    expect(meaning).not.toBe('');
    expect(remedy).not.toBe('');
    expect(rest).toEqual(['']);
  });

  it.each([
    '0x80200013',
    '2149580819',
    '-2145386477',
    'BG_E_INSUFFICIENT_RANGE_SUPPORT',
    'bg_e_insufficient_range_support',
  ])('%s is the same', async (code) => {
    const { exit, stdout } = await carmine(['explain', '--json', '--', code]);
    expect(exit).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      schema: 'carmine.explanation/1',
      code: '0x80200013',
      name: 'BG_E_INSUFFICIENT_RANGE_SUPPORT',
    });
  });

  it.each([['404'], ['job/not-found']])('explains %s', async (code) => {
    expect((await carmine(['explain', code])).exit).toBe(0);
  });

  it('does not know everything', async () => {
    expect(await carmine(['explain', 'nonsense'])).toEqual({
      exit: 2,
      stdout: '',
      stderr: 'carmine: "nonsense" is not a code that Carmine knows\n',
    });
  });
});

describe('help', () => {
  it.each([['help'], ['--help']])('%s lists every command', async (word) => {
    const { exit, stdout, stderr } = await carmine([word]);
    expect([exit, stderr]).toEqual([0, '']);
    for (const { words } of commands) expect(stdout).toContain(`carmine ${words.join(' ')}`);
  });

  it('is what one gets without arguments, as a usage error', async () => {
    expect(await carmine([])).toMatchObject({
      exit: 2,
      stdout: expect.stringContaining('carmine copy SOURCE DESTINATION'),
    });
  });

  it.each(commands.map((command) => [command.words.join(' '), command] as const))('of %s', async (_name, command) => {
    expect(await carmine([...command.words, '--help'])).toEqual({
      exit: 0,
      stdout: `${command.summary}\n${usageLine(command)}\n`,
      stderr: '',
    });
  });
});

describe('usage errors', () => {
  it.each([
    [['nonsense'], 'there is no command "nonsense"; see "carmine help"'],
    [['job'], 'there is no command "job"; see "carmine help"'],
    [['job', 'nonsense', 'x'], 'there is no command "job nonsense"; see "carmine help"'],
    [['job', 'list'], '--on TARGET is missing: which machine?'],
    [
      ['job', 'list', '--on', 'host'],
      '"host" is not a target: expected wsman://USER@HOST, wsmans://USER@HOST or dcom://USER@HOST',
    ],
    [['completion', 'tcsh'], 'SHELL is bash, zsh or fish'],
    [['copy', 'wsman://a@h', 'wsman://a@h/f'], '"wsman://a@h" names no file'],
    [['copy', 'wsman://a@h/f', 'wsman://a@h/f', '--sha256', 'xyz'], '--sha256 has 64 hexadecimal digits'],
    [
      ['copy', 'wsman://a@h/f', 'wsman://a@h/f', '--priority', 'urgent'],
      '--priority is one of foreground, high, normal, low',
    ],
    [
      ['copy', 'wsman://a@h/f', 'wsman://a@h/f', '--timeout', 'soon'],
      '--timeout is a whole number from 0 to 4294967295',
    ],
    [['job', 'list', '--on', 'wsman://a@h', '--password-file', '/none/pw'], 'cannot read /none/pw: ENOENT'],
  ])('%j', async (argv, message) => {
    expect(await carmine(argv)).toEqual({ exit: 2, stdout: '', stderr: `carmine: ${message}\n` });
    const { exit, stdout } = await carmine([...argv, '--json']);
    expect(exit).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({ schema: 'carmine.error/1', kind: 'local', message, exitCode: 2 });
  });

  it('a missing argument shows the usage', async () => {
    const { exit, stderr } = await carmine(['job', 'show']);
    expect(exit).toBe(2);
    expect(stderr).toMatch(/^carmine: ID is missing\nusage: carmine job show ID /);
  });
});

it('a machine where nothing listens is a transient failure', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  const argv = ['ping', `wsman://admin@127.0.0.1:${port}`, '--password-file', '/dev/null', '--json'];
  const { exit, stdout } = await carmine(argv);
  expect(exit).toBe(5);
  expect(JSON.parse(stdout)).toMatchObject({ code: 'wsman/unreachable', kind: 'transient' });
});
