import { describe, expect, it } from 'vitest';
import { commands, helpText } from '../src/commands.ts';
import { findCommand, parseCall, usageLine } from '../src/options.ts';

const outputOptions = '[--json] [--ndjson]';
const logonOptions =
  '[--auth AUTH] [--password-file FILE] [--password-stdin] [--keytab KEYTAB] [--client-certificate CERTIFICATE] [--client-certificate-key KEY]';
const machineOptions = `${outputOptions} ${logonOptions} [--trust TRUST]`;
const endOptions = (end: string) =>
  `[--${end}-auth AUTH] [--${end}-password-file FILE] [--${end}-keytab KEYTAB] [--${end}-client-certificate CERTIFICATE] [--${end}-client-certificate-key KEY]`;
const targetOptions = `${machineOptions} [--on ON]`;

/** Every command line there is; people and scripts rely on it. */
const usage = `
carmine copy SOURCE DESTINATION OUTPUT-OPTIONS [--url-group GROUP] [--priority PRIORITY] [--sha256 SHA256] [--keep-url] [--fetch-as AS] [--fetch-password-file FILE] [--fetch-as-agent] SOURCE-OPTIONS DESTINATION-OPTIONS LOGON-OPTIONS [--trust TRUST] [--timeout TIMEOUT]
carmine job create NAME URL PATH TARGET-OPTIONS [--suspended] [--account ACCOUNT] [--priority PRIORITY] [--upload] [--description DESCRIPTION]
carmine job add-file ID URL PATH TARGET-OPTIONS
carmine job list TARGET-OPTIONS [--ended]
carmine job show ID TARGET-OPTIONS
carmine job set ID TARGET-OPTIONS [--priority PRIORITY] [--name NAME] [--description DESCRIPTION] [--retry-delay DELAY] [--no-progress-timeout TIMEOUT] [--sha256 SHA256]
carmine job resume ID TARGET-OPTIONS
carmine job suspend ID TARGET-OPTIONS
carmine job complete ID TARGET-OPTIONS
carmine job cancel ID TARGET-OPTIONS
carmine job watch [ID] TARGET-OPTIONS [--interval INTERVAL] [--timeout TIMEOUT]
carmine job credentials ID ACTION TARGET-OPTIONS [--target TARGET] [--scheme SCHEME] [--user USER] [--user-password-file FILE]
carmine job certificate ID ACTION TARGET-OPTIONS [--store STORE] [--thumbprint THUMBPRINT] [--subject SUBJECT]
carmine job proxy ID USAGE TARGET-OPTIONS [--list LIST] [--bypass BYPASS]
carmine job error ID TARGET-OPTIONS
carmine url-group create PREFIX TARGET-OPTIONS
carmine url-group delete PREFIX TARGET-OPTIONS
carmine url-group list TARGET-OPTIONS
carmine url-group show PREFIX TARGET-OPTIONS
carmine url-group transfers TARGET-OPTIONS
carmine url-group auth PREFIX TARGET-OPTIONS [--scheme SCHEME] [--enable] [--disable]
carmine url-group property PREFIX PROPERTY [VALUE] TARGET-OPTIONS
carmine url create PREFIX SUFFIX PATH TARGET-OPTIONS [--sddl SDDL] [--certificate CERTIFICATE]
carmine url check PREFIX SUFFIX TARGET-OPTIONS
carmine url delete PREFIX SUFFIX TARGET-OPTIONS
carmine certificate set PORT TARGET-OPTIONS [--store STORE] [--thumbprint THUMBPRINT]
carmine certificate get PORT TARGET-OPTIONS
carmine certificate remove PORT TARGET-OPTIONS
carmine ping TARGET MACHINE-OPTIONS
carmine explain CODE OUTPUT-OPTIONS
carmine completion SHELL OUTPUT-OPTIONS
`;

describe('the command table', () => {
  it('is what is written here', () => {
    const lines = usage
      .trim()
      .split('\n')
      .map((line) =>
        line
          .replace('TARGET-OPTIONS', targetOptions)
          .replace('MACHINE-OPTIONS', machineOptions)
          .replace('OUTPUT-OPTIONS', outputOptions)
          .replace('SOURCE-OPTIONS', endOptions('source'))
          .replace('DESTINATION-OPTIONS', endOptions('destination'))
          .replace('LOGON-OPTIONS', logonOptions),
      );
    expect(commands.map(usageLine)).toEqual(lines);
  });

  it('stands in the help, each with a summary', () => {
    for (const { words, summary } of commands) {
      expect(helpText()).toMatch(new RegExp(`^  carmine ${words.join(' ')} .*`, 'm'));
      expect(helpText()).toContain(summary);
      expect(summary).not.toBe('');
    }
  });

  it('has no command twice, and finds each by its words', () => {
    for (const command of commands) expect(findCommand(commands, [...command.words, 'x', '--json'])).toBe(command);
    expect(findCommand(commands, ['job'])).toBeUndefined();
    expect(findCommand(commands, ['job', 'nonsense'])).toBeUndefined();
    expect(findCommand(commands, [])).toBeUndefined();
  });
});

describe('parseCall', () => {
  const { signal } = new AbortController();
  const command = findCommand(commands, ['url-group', 'property'])!;
  const parse = (...argv: string[]) => parseCall(command, ['url-group', 'property', ...argv], signal);

  it('takes positionals in order, optional ones last, and options anywhere', () => {
    const call = parse('--on', 'x', 'P', '--json', 'ConnectionLimit', '5', '--trust', 'a', '--trust', 'b');
    expect([...call.positionals]).toEqual([
      ['prefix', 'P'],
      ['property', 'ConnectionLimit'],
      ['value', '5'],
    ]);
    expect(call.options).toEqual({ on: 'x', json: true, trust: ['a', 'b'] });
    expect(call.output.format).toBe('json');
    expect(call.signal).toBe(signal);
    expect(parse('P', 'Q').positionals.has('value')).toBe(false);
    expect(parse('P', 'Q', '--ndjson').output.format).toBe('ndjson');
    expect(parse('P', 'Q').output.format).toBe('text');
    expect(parse('P', '--', '--json').positionals.get('property')).toBe('--json');
  });

  it.each([
    [[], 'PREFIX is missing'],
    [['P'], 'PROPERTY is missing'],
    [['P', 'Q', '1', '2'], 'unexpected argument "2"'],
    [['P', 'Q', '--nonsense'], "Unknown option '--nonsense'"],
    [['P', 'Q', '--on'], "Option '--on <value>' argument missing"],
    [['P', 'Q', '--json=1'], "Option '--json' does not take an argument"],
    [['P', 'Q', '--json', '--ndjson'], '--json and --ndjson exclude each other'],
  ])('%j: %s, and the usage', (argv, reason) => {
    expect(() => parse(...argv)).toThrow(
      expect.objectContaining({ code: 'usage/invalid', message: `${reason}\nusage: ${usageLine(command)}` }),
    );
  });
});
