import { randomBytes, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { type Account, createHttpInitiator, ntOwfV1, tlsServerEndPoint } from '@carmine/auth';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createUrlServer, type UrlServer } from '../src/node/index.ts';

interface Fixture {
  readonly pem: string;
  readonly certificate: string;
  readonly privateKey: string;
  readonly thumbprint: Uint8Array;
  readonly leaf: X509Certificate;
}

function load(name: string): Fixture {
  const pem = readFileSync(new URL(`fixtures/${name}.pem`, import.meta.url), 'utf8');
  const certificate = /-----BEGIN CERTIFICATE-----[\s\S]*-----END CERTIFICATE-----/.exec(pem)?.[0] ?? '';
  const privateKey = /-----BEGIN PRIVATE KEY-----[\s\S]*-----END PRIVATE KEY-----/.exec(pem)?.[0] ?? '';
  const leaf = new X509Certificate(certificate);
  return {
    pem,
    certificate,
    privateKey,
    leaf,
    thumbprint: Uint8Array.from(Buffer.from(leaf.fingerprint.replaceAll(':', ''), 'hex')),
  };
}

const [serverA, serverB, clientA, clientB] = ['server-a', 'server-b', 'client-a', 'client-b'].map(load) as [
  Fixture,
  Fixture,
  Fixture,
  Fixture,
];
const environment = { now: () => Date.now(), randomBytes: (length: number) => new Uint8Array(randomBytes(length)) };
const account: Account = {
  name: 'HOST\\reader',
  userSid: 'S-1-5-21-1-2-3-1000',
  groupSids: [],
  ntHash: ntOwfV1('Passw0rd!'),
};

let folder: string;
let server: UrlServer;
let port: number;
let prefix: string;

beforeEach(async () => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'carmine-url-server-tls-')));
  server = createUrlServer({
    stateDir: folder,
    bind: ['127.0.0.1'],
    roots: [folder],
    requireTls: true,
    anonymous: false,
    persist: true,
    requireChannelBinding: true,
    accounts: (user) => (user === 'reader' ? account : undefined),
    certificates: {
      findByThumbprint: async (_store, hash) => {
        const found = [serverA, serverB].find(({ thumbprint }) => Buffer.from(thumbprint).equals(hash));
        return found === undefined ? undefined : { ...found, sha256: new Uint8Array(32), subject: found.leaf.subject };
      },
      findBySubject: async () => undefined,
    },
    environment,
    hostName: 'HOST',
    warn: () => {},
  });
  await server.start();
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  ({ port } = probe.address() as AddressInfo);
  await new Promise((resolve) => probe.close(resolve));
  prefix = `https://+:${port}/tls/`;
  writeFileSync(join(folder, 'file'), 'content');
});
afterEach(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

const bind = (fixture: Fixture) => server.groups.setSslCertificate(port, { storeName: 'MY', hash: fixture.thumbprint });
const state = async () => (await server.groups.getUrlGroupDetails(prefix)).state;

/** GET with NTLM, bound to the channel unless told otherwise. */
async function get(
  suffix: string,
  options: { client?: Fixture; binding?: (leaf: X509Certificate) => Uint8Array | undefined; agent?: Agent } = {},
): Promise<number> {
  const { client, binding = (leaf) => tlsServerEndPoint(leaf.raw) } = options;
  const agent =
    options.agent ??
    new Agent({
      keepAlive: true,
      maxSockets: 1,
      ca: [serverA.certificate, serverB.certificate],
      ...(client === undefined ? {} : { cert: client.certificate, key: client.privateKey }),
    });
  let leaf: X509Certificate | undefined;
  const send = (authorization?: string) =>
    new Promise<{ status: number; challenges: string[] }>((resolve, reject) => {
      const headers = authorization === undefined ? {} : { authorization };
      const outgoing = request({ agent, host: '127.0.0.1', port, path: `/tls/${suffix}`, headers }, (incoming) => {
        leaf ??= new X509Certificate((incoming.socket as TLSSocket).getPeerCertificate().raw);
        incoming.resume();
        incoming.on('end', () =>
          resolve({
            status: incoming.statusCode ?? 0,
            challenges: ([] as string[]).concat(incoming.headers['www-authenticate'] ?? []),
          }),
        );
      });
      outgoing.on('error', reject);
      outgoing.end();
    });
  const initiator = createHttpInitiator({
    credentials: { user: 'reader', password: 'Passw0rd!' },
    schemes: ['ntlm'],
    environment,
    host: '127.0.0.1',
    service: 'HTTP',
    secureTransport: true,
    channelBinding: () => (leaf === undefined ? undefined : binding(leaf)),
  });
  let answer = await send();
  while (answer.status === 401 && !initiator.complete) answer = await send(initiator.next(answer.challenges));
  if (options.agent === undefined) agent.destroy();
  return answer.status;
}

/** The name in the certificate that a new connection is shown. */
function shown(): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

describe('certificates of ports', () => {
  it('take a group online and offline, whichever comes first', async () => {
    await server.groups.createUrlGroup(prefix);
    expect(await state()).toBe('offline');
    await expect(shown()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await bind(serverA);
    expect([await state(), await shown()]).toEqual(['listening', 'server-a']);
    await server.groups.removeSslCertificate(port);
    expect(await state()).toBe('offline');
    await expect(shown()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await bind(serverB);
    expect([await state(), await shown()]).toEqual(['listening', 'server-b']);
  });

  it('are replaced for new connections', async () => {
    await bind(serverA);
    await server.groups.createUrlGroup(prefix);
    expect(await shown()).toBe('server-a');
    await bind(serverB);
    expect(await shown()).toBe('server-b');
    await server.groups.createUrl(prefix, { urlSuffix: 'file', sourceFilePath: join(folder, 'file'), sddlAuth: '' });
    expect(await get('file')).toBe(200);
  });

  it('are replaced without closing the port; connections go on, bound to the certificate that they were shown', async () => {
    await bind(serverA);
    await server.groups.createUrlGroup(prefix);
    await server.groups.createUrl(prefix, { urlSuffix: 'file', sourceFilePath: join(folder, 'file'), sddlAuth: '' });
    const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: [serverA.certificate, serverB.certificate] });
    expect(await get('file', { agent })).toBe(200);
    const [old] = Object.values(agent.freeSockets).flat();
    // Nobody is refused while the certificate changes.
    const meanwhile = Promise.all(Array.from({ length: 10 }, shown));
    await bind(serverB);
    expect((await meanwhile).every((name) => name === 'server-a' || name === 'server-b')).toBe(true);
    expect(await shown()).toBe('server-b');
    // A logon on the old connection, with the old certificate's binding; on a new one with the new one's.
    expect(await get('file', { agent })).toBe(200);
    expect(Object.values(agent.freeSockets).flat()).toEqual([old]);
    expect(await get('file')).toBe(200);
    await expect(get('file', { binding: () => tlsServerEndPoint(serverA.leaf.raw) })).rejects.toMatchObject({
      code: 'auth/failed',
    });
    agent.destroy();
  });

  it('are not brought back by resuming a session', async () => {
    await bind(serverA);
    await server.groups.createUrlGroup(prefix);
    let session: Buffer | undefined;
    const visit = () =>
      new Promise<readonly [boolean, string]>((resolve, reject) => {
        const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, session }, () => {
          socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
        });
        socket.on('session', (ticket) => {
          session = ticket;
        });
        socket.once('data', () => {
          // A resumed session shows no certificate.
          resolve([socket.isSessionReused(), String(socket.getPeerCertificate().subject?.CN ?? '')]);
          socket.destroy();
        });
        socket.on('error', reject);
      });
    expect(await visit()).toEqual([false, 'server-a']);
    expect(await visit()).toEqual([true, '']);
    await bind(serverB);
    expect(await visit()).toEqual([false, 'server-b']);
  });

  it('have to be in the store', async () => {
    await expect(bind(clientA)).rejects.toMatchObject({
      code: 'url-group/certificate-not-found',
      hresult: 0x8009_2004,
    });
  });
});

describe('NTLM on https', () => {
  beforeEach(async () => {
    await bind(serverA);
    await server.groups.createUrlGroup(prefix);
    await server.groups.createUrl(prefix, { urlSuffix: 'file', sourceFilePath: join(folder, 'file'), sddlAuth: '' });
  });

  it('is accepted when bound to this channel', async () => {
    expect(await get('file')).toBe(200);
  });

  it.each([
    ['without a binding', () => undefined],
    ['bound to another channel, as a machine in the middle would relay it', () => tlsServerEndPoint(serverB.leaf.raw)],
  ])('is refused %s', async (_what, binding) => {
    await expect(get('file', { binding })).rejects.toMatchObject({ code: 'auth/failed' });
  });
});

describe('CertificateHashAccessCheck', () => {
  beforeEach(async () => {
    await bind(serverA);
    await server.groups.createUrlGroup(prefix);
    const publish = (urlSuffix: string, certificateHashAccessCheck?: Uint8Array) =>
      server.groups.createUrl(prefix, {
        urlSuffix,
        sourceFilePath: join(folder, 'file'),
        sddlAuth: '',
        certificateHashAccessCheck,
      });
    await publish('open');
    await publish('closed', clientA.thumbprint);
  });

  it.each([
    ['closed', 'the certificate', clientA, 200],
    ['closed', 'another certificate', clientB, 403],
    ['closed', 'no certificate', undefined, 403],
    ['open', 'no certificate', undefined, 200],
    ['open', 'any certificate', clientB, 200],
  ] as const)('%s with %s: %i', async (suffix, _what, client, status) => {
    expect(await get(suffix, client === undefined ? {} : { client })).toBe(status);
  });

  it('needs https and 20 bytes', async () => {
    const publish = (hash: Uint8Array) =>
      server.groups.createUrl(prefix, {
        urlSuffix: 'x',
        sourceFilePath: join(folder, 'file'),
        sddlAuth: '',
        certificateHashAccessCheck: hash,
      });
    await expect(publish(new Uint8Array(19))).rejects.toMatchObject({ hresult: 0x8007_0057 });
    expect(await server.groups.checkUrl(prefix, 'x')).toBe(false);
  });
});
