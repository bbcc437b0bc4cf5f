import { readFile } from 'node:fs/promises';
import { createProxy, type MachineProxy } from '@carmine/cim';
import type { CallOptions } from '@carmine/core';
import { CarmineError } from '@carmine/errors';
import { createWmiClient } from '@carmine/wmi/node';
import { createWsmanClient } from '@carmine/wsman/node';
import { logonFor, type MachineLogon } from './logon.ts';
import { type Call, invalid, text } from './options.ts';
import { parseTarget, type Target } from './target.ts';

/** A connection to one managed machine. */
export interface Machine extends MachineProxy {
  readonly target: Target;
  /** Who answers, once he has accepted the credentials. */
  identify(options?: CallOptions): Promise<{ readonly vendor: string; readonly version: string }>;
  close(): Promise<void>;
}

/** Connects to the machine that `--on` names, or CARMINE_ON. */
async function connectOn(call: Call): Promise<Machine> {
  const on = text(call, 'on') ?? process.env['CARMINE_ON'];
  if (on === undefined) throw invalid('--on TARGET is missing: which machine?');
  const target = parseTarget(on);
  return connect(call, target, await logonFor(call, target));
}

/** Opens nothing yet: the first call does. */
export async function connect(call: Call, target: Target, { logon, schemes }: MachineLogon): Promise<Machine> {
  if (target.transport === 'dcom') {
    const client = createWmiClient({ host: target.host, port: target.port, credentials: logon, schemes });
    const identify = async (options?: CallOptions) => {
      await client.ping(options);
      return { vendor: 'WMI over DCOM', version: '5.7' };
    };
    return { ...createProxy(client), target, identify, close: () => client.close() };
  }
  const host = target.host.includes(':') ? `[${target.host}]` : target.host;
  const trust = await readTrust(call);
  const client = createWsmanClient({
    url: `${target.transport}://${host}:${target.port}`,
    credentials: logon,
    schemes,
    ...(trust.length === 0 ? {} : { trust }),
  });
  const identify = (options?: CallOptions) => client.identify(options);
  return { ...createProxy(client), target, identify, close: () => client.close() };
}

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
