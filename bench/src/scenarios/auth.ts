import { randomBytes } from 'node:crypto';
import {
  type Account,
  createNtlmAcceptor,
  createNtlmInitiator,
  createSpnegoAcceptor,
  createSpnegoInitiator,
  ntlmAcceptorMechanism,
  ntlmInitiatorMechanism,
  ntOwfV1,
  type SecurityContext,
} from '@carmine/auth';
import { systemEnvironment } from '@carmine/auth/node';
import Benchmark from 'benchmark';
import { runPeer } from '../foreign/peers.ts';
import { kerberosRealm, kerberosTypes } from './kerberos-realm.ts';
import type { Scenario } from './measure.ts';

/**
 * Handshakes of NTLM and Kerberos, both sides in one process, Kerberos' acceptor alone, and sealed messages; beside them what
 * OpenSSL's ciphers and digests do.
 */
export const authScenario: Scenario = async (_rounds, say) => {
  const rates = new Map<string, number>();
  const deviation = new Map<string, number>();
  /** By the CPU time of the process, as OpenSSL counts: other programs on the machine do not show. */
  const cpuRates = new Map<string, number>();
  const suite = new Benchmark.Suite();
  const measure = (name: string, work: () => void) => {
    let calls = 0;
    let before = process.cpuUsage();
    const count = () => {
      calls++;
      work();
    };
    const onStart = () => {
      [calls, before] = [0, process.cpuUsage()];
    };
    const onComplete = () => {
      const { user, system } = process.cpuUsage(before);
      cpuRates.set(name, calls / ((user + system) / 1e6));
    };
    suite.add(name, count, { onStart, onComplete });
  };
  measure('NTLM handshake, both sides', () => void handshake('ntlm'));
  measure('SPNEGO with NTLM, both sides', () => void handshake('spnego'));
  const realms = kerberosTypes.map(kerberosRealm);
  for (const realm of realms) {
    measure(`Kerberos handshake, both sides, ${realm.name}`, () => void realm.handshake());
    measure(`Kerberos accept, ${realm.name}`, realm.acceptance());
  }
  const pairs = [
    { name: 'NTLM', pair: () => handshake('ntlm') },
    ...realms.map(({ name, handshake: pair }) => ({ name: `Kerberos ${name}`, pair })),
  ];
  for (const { name, pair } of pairs) {
    for (const size of sizes) {
      const message = randomBytes(size);
      const sealing = pair();
      measure(`${name} seal ${size}`, () => {
        sealing.client.wrap(message);
      });
      const both = pair();
      measure(`${name} seal and unseal ${size}`, () => {
        both.server.unwrap(both.client.wrap(message));
      });
    }
  }
  suite.on('cycle', (event: Benchmark.Event) => {
    const { name = '', hz, stats } = event.target as unknown as Benchmark;
    say(`${name}: ${hz.toFixed(0)} /s`);
    rates.set(name, hz);
    deviation.set(name, stats.rme);
  });
  await new Promise<void>((resolve) => {
    suite.on('complete', () => resolve()).run({ async: true });
  });

  const handshakes = [...rates.keys()].filter((name) => !name.includes(' seal '));
  const perSecond = (found: ReadonlyMap<string, number>, name: string) => `${found.get(name)?.toFixed(0)} /s`;
  const rows = handshakes.map((name) => [
    name,
    perSecond(rates, name),
    `±${deviation.get(name)?.toFixed(1)} %`,
    perSecond(cpuRates, name),
  ]);
  const throughput = megabytesOf(rates, pairs);
  const cpuThroughput = megabytesOf(cpuRates, pairs);
  for (const [name, megabytes] of throughput) {
    const perCpu = `${cpuThroughput.get(name)?.toFixed(0)} MB/s`;
    rows.push([`${name} octets`, `${megabytes.toFixed(0)} MB/s`, '', perCpu]);
  }
  const notes = ['Unsealing is the time of sealing and unsealing less that of sealing: messages have an order.'];
  const openssl: Record<string, number | undefined> = {};
  for (const [name, args] of peers) {
    const megabytes = await opensslSpeed(args);
    openssl[name] = megabytes;
    if (megabytes === undefined) notes.push(`${name}: not run, this machine's OpenSSL does not have it`);
    else rows.push([name, '', '', `${megabytes.toFixed(0)} MB/s`]);
  }
  return {
    title: 'NTLM and Kerberos',
    head: ['WHAT', 'RATE', 'ERROR', 'PER SECOND OF CPU'],
    rows,
    notes,
    report: {
      perSecond: Object.fromEntries(rates),
      relativeError: Object.fromEntries(deviation),
      perCpuSecond: Object.fromEntries(cpuRates),
      throughput: Object.fromEntries(throughput),
      cpuThroughput: Object.fromEntries(cpuThroughput),
      openssl,
    },
  };
};

/** Megabytes per second of sealing and unsealing, by name. */
function megabytesOf(rates: ReadonlyMap<string, number>, pairs: readonly { readonly name: string }[]) {
  const found = new Map<string, number>();
  for (const { name } of pairs) {
    for (const size of sizes) {
      const [seal = 0, both = 0] = [rates.get(`${name} seal ${size}`), rates.get(`${name} seal and unseal ${size}`)];
      found.set(`${name} seal ${size}`, (seal * size) / 1e6);
      found.set(`${name} unseal ${size}`, size / 1e6 / (1 / both - 1 / seal));
    }
  }
  return found;
}

const sizes = [1024, 65_536];

const account: Account = {
  name: 'HOST\\admin',
  userSid: 'S-1-5-21-1-2-3-1000',
  groupSids: [],
  ntHash: ntOwfV1('Passw0rd!'),
};

function handshake(kind: 'ntlm' | 'spnego'): { readonly client: SecurityContext; readonly server: SecurityContext } {
  const forClient = { credentials: { user: 'admin', password: 'Passw0rd!' }, environment: systemEnvironment };
  const forServer = { accounts: () => account, environment: systemEnvironment, hostName: 'HOST' };
  const [client, server] =
    kind === 'ntlm'
      ? [createNtlmInitiator(forClient), createNtlmAcceptor(forServer)]
      : [
          createSpnegoInitiator({ mechanisms: [ntlmInitiatorMechanism(forClient)] }),
          createSpnegoAcceptor({ mechanisms: [ntlmAcceptorMechanism(forServer)] }),
        ];
  let token = client.step();
  for (let toServer = true; token !== undefined; toServer = !toServer) token = (toServer ? server : client).step(token);
  if (!client.complete || !server.complete) throw new Error('the handshake did not complete');
  return { client, server };
}

const peers: readonly (readonly [string, readonly string[]])[] = [
  ['OpenSSL RC4, 64 KiB', ['-provider', 'legacy', '-provider', 'default', '-evp', 'rc4']],
  ['OpenSSL MD5, 64 KiB', ['-evp', 'md5']],
  ['OpenSSL AES-256-CBC encrypting, 64 KiB', ['-evp', 'aes-256-cbc']],
  ['OpenSSL AES-256-CBC decrypting, 64 KiB', ['-decrypt', '-evp', 'aes-256-cbc']],
  ['OpenSSL HMAC-SHA-1, 64 KiB', ['-hmac', 'sha1']],
  ['OpenSSL SHA-384, 64 KiB', ['-evp', 'sha384']],
];

/** Megabytes per second; undefined when it cannot be had. */
async function opensslSpeed(args: readonly string[]): Promise<number | undefined> {
  const ran = await runPeer('openssl', ['speed', '-mr', '-seconds', '2', '-bytes', '65536', ...args]).catch(
    () => undefined,
  );
  const match = /^\+F:\d+:[^:]+:([\d.]+)/m.exec(ran?.stdout ?? '');
  return ran?.code === 0 && match !== null ? Number(match[1]) / 1e6 : undefined;
}
