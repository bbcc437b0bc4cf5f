import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import {
  createHttpAcceptor,
  createKerberosService,
  createToken,
  type HttpScheme,
  type KeytabEntry,
  type Logon,
  ntOwfV1,
  type TicketSource,
} from '@carmine/auth';
import { createTicketSource, systemEnvironment, type TicketSourceOptions } from '@carmine/auth/node';
import type { TestKdc } from '@carmine/auth/testing';
import { listenKdc, systemKdc } from '@carmine/auth/testing/node';
import { createDispatcher, createProxy } from '@carmine/cim';
import { MemoryJobs } from '@carmine/compliance';
import { wellKnownSids } from '@carmine/security';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createWsmanServer, type WsmanAcceptor } from '../src/index.ts';
import {
  createWsmanClient,
  createWsmanHttpServer,
  systemWsmanEnvironment,
  type WsmanHttpServerOptions,
} from '../src/node/index.ts';

const pem = (name: string) => readFileSync(new URL(`fixtures/${name}.pem`, import.meta.url), 'utf8');
const tls = { cert: pem('server-cert'), key: pem('server-key') };
const account = {
  name: 'HOST\\admin',
  userSid: 'S-1-5-21-1-2-3-1000',
  groupSids: [wellKnownSids.administrators],
  ntHash: ntOwfV1('secret'),
};

const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function serve(accept: WsmanHttpServerOptions['accept'], secure: WsmanHttpServerOptions['tls']) {
  const jobs = new MemoryJobs();
  const core = createWsmanServer({
    dispatcher: createDispatcher({ providers: { jobs, jobExtensions: jobs } }),
    environment: systemWsmanEnvironment,
    identity: { vendor: 'Carmine', version: 'test' },
  });
  const server = createWsmanHttpServer({ core, tls: secure, accept });
  const { port } = await server.listen('127.0.0.1', 0);
  open.push(() => server.close());
  return `${secure === undefined ? 'wsman' : 'wsmans'}://localhost:${port}`;
}

function connect(url: string, credentials: Logon) {
  const client = createWsmanClient({ url, credentials, trust: [tls.cert] });
  open.push(() => client.close());
  return createProxy(client).jobs;
}

async function namesOf(jobs: ReturnType<typeof connect>): Promise<string[]> {
  const names: string[] = [];
  for await (const { displayName } of jobs.listJobs()) names.push(displayName);
  return names;
}

describe('Kerberos', () => {
  const realm = 'CARMINE.TEST';
  const passwords = { [`krbtgt/${realm}`]: 'tgs', admin: 'secret', 'HTTP/localhost': 'http', 'WSMAN/localhost': 'w' };
  let kdc: TestKdc;
  let keytab: readonly KeytabEntry[];
  let options: TicketSourceOptions;
  let mechanisms: (string | undefined)[];
  beforeEach(async () => {
    kdc = systemKdc({ realm, passwords, etypes: [18] });
    keytab = kdc.keytab('HTTP/localhost');
    mechanisms = [];
    const listening = await listenKdc(kdc);
    open.push(() => listening.close());
    options = { principal: `admin@${realm}`, password: 'secret', kdc: [listening.address] };
  });

  const start = (schemes: readonly HttpScheme[], secure?: WsmanHttpServerOptions['tls'], kerberos = true) => {
    const service = createKerberosService({
      keytab: () => keytab,
      environment: systemEnvironment,
      accounts: (principal) => (principal === 'admin' ? account : undefined),
    });
    return serve(({ source, secureTransport, channelBinding }) => {
      const acceptor = createHttpAcceptor({
        schemes,
        accounts: (user) => (user === 'admin' ? account : undefined),
        environment: systemEnvironment,
        hostName: 'HOST',
        realm: 'WSMAN',
        source,
        secureTransport,
        channelBinding,
        requireChannelBinding: secureTransport,
        ...(kerberos ? { kerberos: service } : {}),
      });
      return {
        get context() {
          return acceptor.context;
        },
        authenticate(authorization) {
          const outcome = acceptor.authenticate(authorization);
          if (outcome.kind === 'accepted' && authorization !== undefined) mechanisms.push(outcome.token.scheme);
          return outcome;
        },
      };
    }, secure);
  };

  it.each([
    ['Negotiate, sealed over http', ['negotiate'], undefined],
    ['the scheme Kerberos, sealed over http', ['kerberos'], undefined],
    ['Negotiate over https, bound to the channel', ['negotiate'], tls],
    ['the scheme Kerberos over https, bound to the channel', ['kerberos'], tls],
  ] as const)('%s: one ticket, and an authenticator of its own for each connection', async (_what, schemes, secure) => {
    const url = await start(schemes, secure);
    const jobs = connect(url, { kind: 'kerberos', tickets: createTicketSource(options) });
    const create = (displayName: string) =>
      jobs.createJob({
        displayName,
        remoteUrl: 'http://origin.example/x',
        localFile: `/${displayName}`,
        suspend: true,
      });
    await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map(create));
    expect((await namesOf(jobs)).sort()).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
    expect(mechanisms).toEqual(['kerberos', 'kerberos', 'kerberos', 'kerberos']);
    expect(kdc.asked).toEqual(['as admin', 'as admin', 'tgs HTTP/localhost']);
  });

  it('with a password besides, Kerberos where there is a ticket and NTLM where there is none', async () => {
    const url = await start(['negotiate']);
    const password = { user: 'admin', password: 'secret' };
    const none: TicketSource = { obtain: async () => undefined, forget: () => {} };
    expect(await namesOf(connect(url, { ...password, tickets: none }))).toEqual([]);
    expect(await namesOf(connect(url, { ...password, tickets: createTicketSource(options) }))).toEqual([]);
    expect(mechanisms).toEqual(['ntlm', 'kerberos']);
    // Nor is a server that knows nothing of Kerberos a hindrance.
    const other = await start(['negotiate'], undefined, false);
    await namesOf(connect(other, { ...password, tickets: createTicketSource(options) }));
    expect(mechanisms).toEqual(['ntlm', 'kerberos', 'ntlm']);
  });

  it('Kerberos alone never becomes NTLM', async () => {
    const url = await start(['negotiate'], undefined, false);
    const jobs = connect(url, { kind: 'kerberos', tickets: createTicketSource(options) });
    await expect(namesOf(jobs)).rejects.toMatchObject({ kind: 'refused' });
    expect(mechanisms).toEqual([]);
  });

  it('asks for the service that it is told to', async () => {
    const url = await start(['negotiate']);
    keytab = kdc.keytab('WSMAN/localhost');
    const client = createWsmanClient({
      url,
      credentials: { kind: 'kerberos', tickets: createTicketSource(options) },
      service: 'WSMAN',
    });
    open.push(() => client.close());
    await client.identify();
    expect(kdc.asked.at(-1)).toBe('tgs WSMAN/localhost');
  });

  it('a ticket that the server refuses is not used again', async () => {
    const url = await start(['negotiate']);
    const rekeyed = systemKdc({ realm, passwords: { ...passwords, 'HTTP/localhost': 'new' }, etypes: [18] });
    const proper = keytab;
    keytab = rekeyed.keytab('HTTP/localhost');
    const jobs = connect(url, { kind: 'kerberos', tickets: createTicketSource(options) });
    await expect(namesOf(jobs)).rejects.toMatchObject({ code: 'auth/failed', kind: 'refused' });
    keytab = proper;
    expect(await namesOf(jobs)).toEqual([]);
    expect(kdc.asked.filter((line) => line.startsWith('tgs'))).toHaveLength(2);
  });

  it.each([
    ['a wrong password', () => ({ password: 'wrong' }), 'localhost', 'auth/failed', 'refused'],
    ['an unknown principal', () => ({ principal: `eve@${realm}` }), 'localhost', 'auth/failed', 'refused'],
    ['no KDC', () => ({ kdc: [] }), 'localhost', 'auth/kdc-unreachable', 'transient'],
    ['a dead KDC', () => ({ kdc: ['127.0.0.1:9'] }), 'localhost', 'auth/kdc-unreachable', 'transient'],
    ['an unknown service', () => ({}), 'elsewhere.test', 'auth/no-ticket', 'refused'],
    ['an address', () => ({}), '127.0.0.1', 'auth/no-ticket', 'refused'],
  ])('%s is told before the server hears anything', async (_what, changes, host, code, kind) => {
    let connections = 0;
    const server = createServer((socket) => {
      connections++;
      socket.destroy();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    open.push(() => new Promise((resolve) => server.close(resolve)));
    const { port } = server.address() as { port: number };
    const tickets = createTicketSource({ ...options, ...changes() });
    const jobs = connect(`wsman://${host}:${port}`, { kind: 'kerberos', tickets });
    await expect(namesOf(jobs)).rejects.toMatchObject({ code, kind });
    expect(connections).toBe(0);
  });
});

describe('a client certificate', () => {
  const own = { kind: 'certificate', certificate: tls.cert, privateKey: tls.key } as const;
  const hint = 'http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual';

  const start = async (accepted: boolean) => {
    const seen: { authorization: string | undefined; certificate: boolean }[] = [];
    const accept: WsmanHttpServerOptions['accept'] = ({ clientCertificate, source }): WsmanAcceptor => ({
      context: undefined,
      authenticate(authorization) {
        seen.push({ authorization, certificate: clientCertificate !== undefined });
        if (!accepted) return { kind: 'forbidden' };
        const token = createToken(account, { scheme: 'certificate', source, protectedChannel: true });
        return { kind: 'accepted', token };
      },
    });
    return { url: await serve(accept, { ...tls, clientAuthorities: [tls.cert] }), seen };
  };

  it('logs on over https, without a challenge', async () => {
    const { url, seen } = await start(true);
    const jobs = connect(url, own);
    expect(await namesOf(jobs)).toEqual([]);
    await expect(jobs.getJob('{00000000-0000-0000-0000-000000000000}')).rejects.toMatchObject({
      code: 'job/not-found',
    });
    expect(seen.length).toBeGreaterThan(1);
    expect(new Set(seen.map((one) => JSON.stringify(one)))).toEqual(
      new Set([JSON.stringify({ authorization: hint, certificate: true })]),
    );
  });

  it('that does not count is refused', async () => {
    const { url } = await start(false);
    await expect(namesOf(connect(url, own))).rejects.toMatchObject({ code: 'auth/failed' });
  });

  it('is for https only', () => {
    expect(() => connect('wsman://localhost', own)).toThrow(
      expect.objectContaining({ code: 'usage/invalid', message: 'a client certificate needs wsmans://' }),
    );
  });
});
