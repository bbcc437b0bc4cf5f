import { readFile } from 'node:fs/promises';
import { readPassword } from '@carmine/agent/node';
import { createProxy, type MachineProxy } from '@carmine/cim';
import { CarmineError } from '@carmine/errors';
import { createWsmanClient, type WsmanClient } from '@carmine/wsman/node';
import { type Call, flag, invalid, text } from './options.ts';
import { parseTarget, type Target } from './target.ts';

/** A connection to one managed machine. */
export interface Machine extends MachineProxy {
  readonly target: Target;
  readonly client: WsmanClient;
  readonly password: string;
  close(): Promise<void>;
}

/** Connects to the machine that `--on` names, or CARMINE_ON. */
async function connectOn(call: Call): Promise<Machine> {
  const on = text(call, 'on') ?? process.env['CARMINE_ON'];
  if (on === undefined) throw invalid('--on TARGET is missing: which machine?');
  return connect(call, parseTarget(on), await passwordFor(call, parseTarget(on), 'password-file'));
}

/** Opens nothing yet: the first call does. */
export async function connect(call: Call, target: Target, password: string): Promise<Machine> {
  const host = target.host.includes(':') ? `[${target.host}]` : target.host;
  const trust = await readTrust(call);
  const client = createWsmanClient({
    url: `${target.transport}://${host}:${target.port}`,
    credentials: { user: target.user, password },
    ...(trust.length === 0 ? {} : { trust }),
  });
  return { ...createProxy(client), target, client, password, close: () => client.close() };
}

/** The password of a target's user: from the named option, else from where passwords come from in general. */
export async function passwordFor(call: Call, target: Target, fileOption: string): Promise<string> {
  const file = text(call, fileOption) ?? text(call, 'password-file') ?? process.env['CARMINE_PASSWORD_FILE'];
  const stdin = flag(call, 'password-stdin');
  // stdin can be read once; both ends of a copy then have the same password.
  if (file === undefined && stdin) {
    stdinPassword ??= readPassword({ stdin: true, prompt: '' });
    return stdinPassword;
  }
  return readPassword({ file, prompt: `Password of ${target.user} on ${target.name}: ` });
}

let stdinPassword: Promise<string> | undefined;

async function readTrust(call: Call): Promise<string[]> {
  const given = call.options['trust'];
  const files = Array.isArray(given) ? given.map(String) : (process.env['CARMINE_TRUST']?.split(',') ?? []);
  return Promise.all(
    files.map(async (file) => {
      try {
        return await readFile(file.trim(), 'utf8');
      } catch (cause) {
        throw new CarmineError('configuration/unreadable', {
          context: { file, reason: (cause as Error).message },
          cause,
        });
      }
    }),
  );
}

/** Runs work on the machine of `--on` and lets the connection go. */
export async function withMachine(call: Call, work: (machine: Machine) => Promise<void>): Promise<number> {
  const machine = await connectOn(call);
  try {
    await work(machine);
    return 0;
  } finally {
    await machine.close();
  }
}
