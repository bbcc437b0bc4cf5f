import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { exitOf } from '@carmine/testkit/node';
import { runPeer } from '../foreign/peers.ts';

/** What the way from the origin to us is like; the way back has the same delay. */
export interface LinkShape {
  /** Bytes per second. */
  readonly rate: number;
  /** Of a million packets, how many are lost. */
  readonly loss?: number | undefined;
  /** Nothing passes, in either direction. */
  readonly dark?: boolean | undefined;
}

/** Two network namespaces with one cable between them: the origin at one end, whoever fetches at the other. Linux, needs root. */
export interface NetworkLink {
  readonly originAddress: string;
  /** What goes before a command to run it at that end. */
  readonly atOrigin: readonly string[];
  readonly atClient: readonly string[];
  shape(shape: LinkShape): Promise<void>;
  /** Lets both ends forget what their kernels remember of connections before: after much loss they would begin slowly. */
  forget(): Promise<void>;
  /** The origin's congestion control. */
  congestion(algorithm: string): Promise<void>;
  close(): Promise<void>;
}

export async function createNetworkLink(folder: string): Promise<NetworkLink> {
  const [origin, client] = [`engine-${process.pid}-o`, `engine-${process.pid}-c`];
  const atOrigin = ['ip', 'netns', 'exec', origin];
  const atClient = ['ip', 'netns', 'exec', client];
  let cable: ChildProcess | undefined;
  const close = async () => {
    cable?.stdin?.end();
    if (cable !== undefined) await exitOf(cable);
    for (const space of [origin, client]) await runPeer('ip', ['netns', 'del', space]);
  };
  const said = (word: string) =>
    new Promise<void>((resolve, reject) => {
      cable?.stdout?.once('data', (text: Buffer) =>
        text.includes(word) ? resolve() : reject(new Error(text.toString())),
      );
    });
  try {
    const program = join(folder, 'network-link');
    await run('cc', '-O2', '-o', program, fileURLToPath(new URL('network-link.c', import.meta.url)));
    for (const space of [origin, client]) await run('ip', 'netns', 'add', space);
    cable = spawn(program, [origin, client], { stdio: ['pipe', 'pipe', 'inherit'] });
    await said('ready');
    for (const [prefix, address] of [
      [atOrigin, originAddress],
      [atClient, clientAddress],
    ] as const) {
      await run(...prefix, 'ip', 'link', 'set', 'lo', 'up');
      await run(...prefix, 'ip', 'addr', 'add', `${address}/24`, 'dev', 'link0');
      await run(...prefix, 'ip', 'link', 'set', 'link0', 'up', 'mtu', '1500', 'txqueuelen', '10000');
    }
  } catch (thrown) {
    await close();
    throw thrown;
  }
  return {
    originAddress,
    atOrigin,
    atClient,
    async shape({ rate, loss = 0, dark = false }) {
      const shaped = said('shaped');
      cable?.stdin?.write(`${delay} ${rate} ${loss} ${queue} ${dark ? 1 : 0}\n`);
      await shaped;
    },
    async forget() {
      for (const prefix of [atOrigin, atClient]) await run(...prefix, 'ip', 'tcp_metrics', 'flush');
    },
    // By the route: as the default of a namespace, the kernel takes no algorithm that only root may use.
    congestion: (algorithm) =>
      run(...atOrigin, ...'ip route replace 10.77.0.0/24 dev link0 congctl'.split(' '), algorithm),
    close,
  };
}

/** Why there can be no such link here; undefined when there can. */
export async function whyNoNetworks(): Promise<string | undefined> {
  const name = `engine-${process.pid}-probe`;
  const made = await runPeer('ip', ['netns', 'add', name]).catch(() => undefined);
  if (made?.code !== 0) return 'it takes Linux, iproute2 and root to make network namespaces';
  await runPeer('ip', ['netns', 'del', name]);
  const compiler = await runPeer('cc', ['--version']).catch(() => undefined);
  return compiler?.code === 0 ? undefined : 'there is no C compiler';
}

async function run(...command: readonly string[]): Promise<void> {
  const [program = '', ...args] = command;
  const { code, stderr } = await runPeer(program, args);
  if (code !== 0) throw new Error(`${command.join(' ')}: ${stderr.trim()}`);
}

const originAddress = '10.77.0.1';
const clientAddress = '10.77.0.2';
/** Microseconds: half of the round trip, and what the link may hold back before it drops. */
const delay = 25_000;
const queue = 40_000;
