import { createHash, randomBytes, X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Account,
  type AccountLookup,
  createHttpAcceptor,
  type HttpAcceptor,
  ntOwfV1,
  tlsServerEndPoint,
} from '@carmine/auth';
import { systemEnvironment } from '@carmine/auth/node';
import { createDispatcher } from '@carmine/cim';
import type { StoredCertificate } from '@carmine/core';
import { wellKnownSids } from '@carmine/security';
import { freePort } from '@carmine/testkit/node';
import { createUrlServer } from '@carmine/url-server/node';
import { createWsmanConnection, createWsmanServer } from '@carmine/wsman';
import { createWsmanHttpServer, systemWsmanEnvironment } from '@carmine/wsman/node';
import { countingJobs } from '../counting-jobs.ts';
import { KerberosRealm } from './kerberos-realm.ts';
import { type Line, memoryLine, socketLine } from './line.ts';

/** One way into the system: management or data, with TLS or without, through sockets or in memory. */
export interface Door {
  readonly name: string;
  readonly service: 'management' | 'data';
  readonly secure: boolean;
  /** Of the certificate behind it; undefined without TLS. */
  readonly binding: Uint8Array | undefined;
  /** Name of the scheme that carries raw NTLM messages here. */
  readonly scheme: 'Negotiate' | 'NTLM';
  /** Where its tickets come from; undefined when it does not take any. */
  readonly kerberos: KerberosRealm | undefined;
  open(): Promise<Line>;
}

export interface Doors {
  readonly doors: readonly Door[];
  /** What happened so far: calls that reached a provider, and answers with content of the published file. */
  actions(): number;
  /** Failures that were the servers' own so far; they must stay none. */
  readonly faults: readonly string[];
  /** Content of the published file. */
  readonly content: Uint8Array;
  close(): Promise<void>;
}

/** May do all. */
export const admin = { user: 'admin', password: 'Größe 1' } as const;
/** May log on, and do nothing. */
export const reader = { user: 'reader', password: 'secret' } as const;

const accounts = new Map<string, Account>(
  [
    { ...admin, groupSids: [wellKnownSids.administrators] },
    { ...reader, groupSids: [wellKnownSids.users] },
  ].map(({ user, password, groupSids }, index) => [
    user,
    { name: `HOST\\${user}`, userSid: `S-1-5-21-1-2-3-${1000 + index}`, groupSids, ntHash: ntOwfV1(password) },
  ]),
);
const lookUp: AccountLookup = (user) => accounts.get(user.toLowerCase());

/** All servers, in this process, without a limiter of attempts: every attempt is looked at in full. */
export async function openDoors(): Promise<Doors> {
  const faults: string[] = [];
  let actions = 0;
  const jobs = countingJobs(() => {
    actions++;
  });
  const core = createWsmanServer({
    dispatcher: createDispatcher({ providers: { jobs } }),
    environment: systemWsmanEnvironment,
    identity: { vendor: 'Carmine', version: 'torture' },
  });
  const tls = { cert: await fixture('server-cert'), key: await fixture('server-key') };
  const binding = tlsServerEndPoint(new X509Certificate(tls.cert).raw);
  const realm = new KerberosRealm((name) => lookUp(name, ''));
  const acceptor = (secure: boolean, kerberos: KerberosRealm | undefined): HttpAcceptor =>
    createHttpAcceptor({
      schemes: secure ? ['negotiate', 'basic'] : ['negotiate'],
      kerberos: kerberos?.service,
      accounts: lookUp,
      environment: systemEnvironment,
      hostName: 'HOST',
      realm: 'WSMAN',
      source: '127.0.0.1',
      secureTransport: secure,
      channelBinding: secure ? binding : undefined,
      requireChannelBinding: secure,
    });
  const memory = (secure: boolean, kerberos?: KerberosRealm): Door => ({
    name: `management in memory, ${secure ? 'https' : 'http'}${kerberos === undefined ? '' : ', Kerberos'}`,
    service: 'management',
    secure,
    binding: secure ? binding : undefined,
    scheme: 'Negotiate',
    kerberos,
    open: async () =>
      memoryLine(
        createWsmanConnection({
          server: core,
          acceptor: acceptor(secure, kerberos),
          secureTransport: secure,
          anonymousIdentify: false,
        }),
      ),
  });
  const onError = (error: unknown) => void faults.push(String(error));
  const servers = [false, true].map((secure) =>
    createWsmanHttpServer({
      core,
      accept: () => acceptor(secure, undefined),
      tls: secure ? tls : undefined,
      limits: { maxConnectionsPerAddress: 10_000 },
      onError,
    }),
  );
  const wsman = await Promise.all(
    servers.map(async (server, index): Promise<Door> => {
      const { port } = await server.listen('127.0.0.1', 0);
      const secure = index === 1;
      return {
        ...memory(secure),
        name: `management, ${secure ? 'https' : 'http'}`,
        open: () => socketLine({ port, method: 'POST', path: '/wsman', trust: secure ? tls.cert : undefined }),
      };
    }),
  );
  const content = randomBytes(100);
  const served = () => {
    actions++;
  };
  const warn = (text: string) => void faults.push(text);
  const data = await Promise.all([undefined, realm].map((kerberos) => openData(tls, content, warn, kerberos)));
  return {
    doors: [
      memory(false),
      memory(true),
      memory(false, realm),
      memory(true, realm),
      ...wsman,
      ...data.flatMap(({ doors }) => doors(binding, tls.cert)).map((door) => counted(door, served)),
    ],
    actions: () => actions,
    faults,
    content,
    async close() {
      await Promise.all([...servers.map((server) => server.close()), ...data.map(({ close }) => close())]);
      core.close();
    },
  };
}

/** Whoever gets content has read the file, whatever the status says. */
function counted(door: Door, served: () => void): Door {
  return {
    ...door,
    async open() {
      const line = await door.open();
      return {
        ...line,
        async ask(request) {
          const answer = await line.ask(request);
          if (answer.body.length > 0) served();
          return answer;
        },
      };
    },
  };
}

/** A URL that only administrators may read, on http and on https. */
async function openData(
  tls: { readonly cert: string; readonly key: string },
  content: Uint8Array,
  warn: (text: string) => void,
  kerberos: KerberosRealm | undefined,
) {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'carmine-auth-')));
  const source = join(folder, 'file');
  await writeFile(source, content);
  const certificate = new X509Certificate(tls.cert);
  const stored: StoredCertificate = {
    certificate: tls.cert,
    privateKey: tls.key,
    thumbprint: createHash('sha1').update(certificate.raw).digest(),
    sha256: createHash('sha256').update(certificate.raw).digest(),
    subject: certificate.subject,
  };
  const server = createUrlServer({
    stateDir: folder,
    bind: ['127.0.0.1'],
    roots: [folder],
    requireTls: false,
    anonymous: false,
    persist: false,
    requireChannelBinding: true,
    accounts: lookUp,
    kerberos: kerberos?.service,
    certificates: { findByThumbprint: async () => stored, findBySubject: async () => stored },
    environment: systemEnvironment,
    hostName: 'HOST',
    warn,
  });
  await server.start();
  const ports = [await freePort(), await freePort()] as const;
  await server.groups.setSslCertificate(ports[1], { storeName: 'MY', hash: stored.thumbprint });
  for (const [index, port] of ports.entries()) {
    const prefix = `${index === 1 ? 'https' : 'http'}://+:${port}/torture/`;
    await server.groups.createUrlGroup(prefix);
    await server.groups.createUrl(prefix, { urlSuffix: 'file', sourceFilePath: source, sddlAuth: 'D:(A;;FR;;;BA)' });
  }
  return {
    doors: (binding: Uint8Array, cert: string): readonly Door[] =>
      ports.map((port, index) => ({
        name: `data, ${index === 1 ? 'https' : 'http'}${kerberos === undefined ? '' : ', Kerberos'}`,
        kerberos,
        service: 'data',
        secure: index === 1,
        binding: index === 1 ? binding : undefined,
        scheme: 'NTLM',
        open: () => socketLine({ port, method: 'GET', path: '/torture/file', trust: index === 1 ? cert : undefined }),
      })),
    async close() {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The certificate that the tests of wsman use: for localhost, and nowhere else of any worth. */
function fixture(name: string): Promise<string> {
  return readFile(new URL(`../../../../packages/wsman/test/fixtures/${name}.pem`, import.meta.url), 'utf8');
}
