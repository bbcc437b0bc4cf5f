import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';
import { CarmineError } from '@carmine/errors';
import { Output } from './output.ts';

/** One command of the table in commands.ts. */
export interface Command {
  /** Words that select it: `['job', 'create']`. */
  readonly words: readonly string[];
  /** Positional arguments in order; `name?` is optional, `name…` takes the rest. */
  readonly positionals: readonly string[];
  readonly options: ParseArgsOptionsConfig;
  readonly summary: string;
  run(call: Call): Promise<number>;
}

/** A parsed call. */
export interface Call {
  readonly positionals: ReadonlyMap<string, string>;
  readonly options: Readonly<Record<string, string | boolean | readonly (string | boolean)[] | undefined>>;
  readonly output: Output;
  /** Aborts on SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
}

/** Options that every command has. */
export const outputOptions = {
  json: { type: 'boolean' },
  ndjson: { type: 'boolean' },
} as const satisfies ParseArgsOptionsConfig;

/** Who we are: for a machine, or for both ends of a copy. */
export const logonOptions = {
  auth: { type: 'string' },
  'password-file': { type: 'string' },
  'password-stdin': { type: 'boolean' },
  keytab: { type: 'string' },
  'client-certificate': { type: 'string' },
  'client-certificate-key': { type: 'string' },
} as const satisfies ParseArgsOptionsConfig;

/** What it takes to talk to a machine. */
export const machineOptions = {
  ...outputOptions,
  ...logonOptions,
  trust: { type: 'string', multiple: true },
} as const satisfies ParseArgsOptionsConfig;

/** Options of every command whose machine is named by an option. */
export const targetOptions = { ...machineOptions, on: { type: 'string' } } as const satisfies ParseArgsOptionsConfig;

/** Finds the command that argv names; longer names win. Undefined when there is none. */
export function findCommand(commands: readonly Command[], argv: readonly string[]): Command | undefined {
  return [...commands]
    .sort((a, b) => b.words.length - a.words.length)
    .find(({ words }) => words.every((word, index) => argv[index] === word));
}

/** Parses what follows the command's words; throws `usage/invalid` with the command's usage line. */
export function parseCall(command: Command, argv: readonly string[], signal: AbortSignal): Call {
  let parsed: ReturnType<typeof parseArgs>;
  try {
    parsed = parseArgs({
      args: argv.slice(command.words.length),
      options: { ...outputOptions, ...command.options },
      allowPositionals: true,
      strict: true,
    });
  } catch (cause) {
    throw usage(command, (cause as Error).message.replace(/\. To specify.*$/s, ''));
  }
  const positionals = new Map<string, string>();
  const given = [...parsed.positionals];
  for (const name of command.positionals) {
    const value = given.shift();
    if (value !== undefined) positionals.set(name.replace('?', ''), value);
    else if (!name.endsWith('?')) throw usage(command, `${name.toUpperCase()} is missing`);
  }
  if (given.length > 0) throw usage(command, `unexpected argument "${given[0]}"`);
  const options = parsed.values as Call['options'];
  if (options['json'] === true && options['ndjson'] === true)
    throw usage(command, '--json and --ndjson exclude each other');
  const format = options['json'] === true ? 'json' : options['ndjson'] === true ? 'ndjson' : 'text';
  return { positionals, options, output: new Output(format), signal };
}

export function usageLine(command: Command): string {
  const positionals = command.positionals.map((name) =>
    name.endsWith('?') ? `[${name.slice(0, -1).toUpperCase()}]` : name.toUpperCase(),
  );
  const options = Object.entries(command.options).map(
    ([name, { type }]) => `[--${name}${type === 'string' ? ` ${name.split('-').at(-1)?.toUpperCase()}` : ''}]`,
  );
  return ['carmine', ...command.words, ...positionals, ...options].join(' ');
}

function usage(command: Command, reason: string): CarmineError {
  return new CarmineError('usage/invalid', { context: { reason: `${reason}\nusage: ${usageLine(command)}` } });
}

export function text(call: Call, name: string): string | undefined {
  const value = call.options[name];
  return typeof value === 'string' ? value : undefined;
}

export function flag(call: Call, name: string): boolean {
  return call.options[name] === true;
}

export function positional(call: Call, name: string): string {
  const value = call.positionals.get(name);
  if (value === undefined) throw invalid(`${name.toUpperCase()} is missing`);
  return value;
}

export function choice<T extends string>(call: Call, name: string, choices: readonly T[]): T | undefined {
  const value = text(call, name);
  if (value === undefined) return undefined;
  const found = choices.find((candidate) => candidate.toLowerCase() === value.toLowerCase());
  if (found === undefined) throw invalid(`--${name} is one of ${choices.join(', ')}`);
  return found;
}

export function wholeNumber(value: string | undefined, name: string, low = 0, high = 0xffff_ffff): number | undefined {
  if (value === undefined) return undefined;
  if (!/^\d{1,10}$/.test(value) || Number(value) < low || Number(value) > high)
    throw invalid(`${name} is a whole number from ${low} to ${high}`);
  return Number(value);
}

/** A thumbprint as people copy it: hexadecimal with or without colons and blanks. */
export function thumbprint(value: string): Uint8Array {
  const digits = value.replace(/[\s:]/g, '');
  if (!/^[0-9a-f]{40}$/i.test(digits)) throw invalid('a SHA-1 thumbprint has 40 hexadecimal digits');
  return Uint8Array.from(Buffer.from(digits, 'hex'));
}

export function invalid(reason: string): CarmineError {
  return new CarmineError('usage/invalid', { context: { reason } });
}
