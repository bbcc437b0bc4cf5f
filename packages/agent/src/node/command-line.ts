import { isAbsolute, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { CarmineError } from '@carmine/errors';
import type { AgentConfiguration, AgentRole } from '../configuration.ts';
import type { AgentContext, AgentService } from './agent.ts';
import { loadConfiguration } from './load-configuration.ts';

export interface AgentProgram {
  readonly role: AgentRole;
  /** `carmine-server`, `carmine-client`. */
  readonly name: string;
  readonly version: string;
  readonly createService: (context: AgentContext) => Promise<AgentService>;
  /** What `init` does beyond writing the configuration; returns lines to print. */
  readonly initialise?: ((configuration: AgentConfiguration) => Promise<string[]>) | undefined;
}

/** What stands behind the verb. */
export interface Arguments {
  readonly positionals: readonly string[];
  readonly values: Readonly<Record<string, string | boolean | readonly string[] | undefined>>;
}

/** Returns the exit code. */
export type Verb = (program: AgentProgram, args: Arguments) => Promise<number>;

export function parse(argv: readonly string[]): Arguments {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        config: { type: 'string' },
        'state-dir': { type: 'string' },
        groups: { type: 'string' },
        'password-file': { type: 'string' },
        'password-stdin': { type: 'boolean' },
        name: { type: 'string', multiple: true },
        store: { type: 'string' },
        json: { type: 'boolean' },
      },
    }) as Arguments;
  } catch (cause) {
    throw usage((cause as Error).message.replace(/\. To specify.*$/s, ''));
  }
}

/** The configuration that `--config` names. */
export function load(program: AgentProgram, args: Arguments): Promise<AgentConfiguration> {
  const stateDir = text(args, 'state-dir');
  return loadConfiguration(
    program.role,
    required(args, 'config'),
    stateDir === undefined ? undefined : absolute(stateDir),
  );
}

/** Lines for people, or with `--json` the document. */
export function print(args: Arguments, lines: string, document: object): number {
  process.stdout.write(
    args.values['json'] === true ? `${JSON.stringify(document)}\n` : lines === '' ? '' : `${lines}\n`,
  );
  return 0;
}

export function text(args: Arguments, name: string): string | undefined {
  const value = args.values[name];
  return typeof value === 'string' ? value : undefined;
}

export function required(args: Arguments, name: string): string {
  const value = text(args, name) ?? (name === 'config' ? process.env['CARMINE_CONFIG'] : undefined);
  if (value === undefined) throw usage(`--${name} is missing`);
  return value;
}

export function position(args: Arguments, index: number, name: string): string {
  const value = args.positionals[index];
  if (value === undefined) throw usage(`${name} is missing`);
  return value;
}

export function absolute(path: string): string {
  return isAbsolute(path) ? path : resolve(path);
}

export function usage(reason: string): CarmineError {
  return new CarmineError('usage/invalid', { context: { reason } });
}
