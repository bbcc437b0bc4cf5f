/** Our Kerberos against MIT's; started by run.sh, which makes the realm. */
import { type ChildProcessWithoutNullStreams, execFile, execFileSync, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import {
  createHttpAcceptor,
  createKerberosAcceptor,
  createKerberosInitiator,
  createKerberosService,
  createSpnegoAcceptor,
  createSpnegoInitiator,
  formatPrincipal,
  kerberosAcceptorMechanism,
  kerberosInitiatorMechanism,
  type RpcSecurityContext,
  type ServiceTicket,
} from '../../src/index.ts';
import type { KerberosContext } from '../../src/kerberos/gss/context.ts';
import {
  systemEnvironment as environment,
  obtainGrantingTicket,
  obtainServiceTicket,
  openKeytab,
  readCredentialCache,
  readKeytab,
  writeCredentialCache,
  writeKeytab,
} from '../../src/node/index.ts';

const folder = process.env['CARMINE_INTEROP_DIR']!;
const smallKdc = process.env['CARMINE_INTEROP_SMALL_KDC']!;
const at = (name: string) => `${folder}/${name}`;
const hex = (octets: Uint8Array) => Buffer.from(octets).toString('hex');
const octets = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));
const text = new TextEncoder().encode('<s:Envelope>hällo</s:Envelope>');
const binding = new TextEncoder().encode('tls-server-end-point:0123456789abcdef0123456789abcdef');

let passed = 0;
let failed = 0;

async function check(name: string, action: () => Promise<void> | void): Promise<void> {
  try {
    await action();
    passed++;
    console.log(`ok   ${name}`);
  } catch (error) {
    failed++;
    console.log(`FAIL ${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function equal(actual: unknown, expected: unknown): void {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${a} is not ${b}`);
}

async function refused(action: () => unknown, pattern: RegExp): Promise<void> {
  let message: string | undefined;
  try {
    await action();
  } catch (error) {
    message = error instanceof Error ? `${error.message} ${(error as { code?: string }).code ?? ''}` : String(error);
  }
  if (message === undefined) throw new Error('was not refused');
  if (!pattern.test(message)) throw new Error(`refused, but with: ${message}`);
}

/** MIT's side of a context, in a process of its own. */
class Peer {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;

  constructor() {
    this.#process = spawn(process.env['PYTHON']!, [new URL('gss_peer.py', import.meta.url).pathname]);
    this.#process.stderr.pipe(process.stderr);
    this.#lines = createInterface(this.#process.stdout)[Symbol.asyncIterator]();
  }

  async ask(op: string, request: object = {}): Promise<Record<string, string>> {
    this.#process.stdin.write(`${JSON.stringify({ op, ...request })}\n`);
    const { value } = await this.#lines.next();
    const answer = JSON.parse(value as string) as Record<string, string>;
    if (answer['error'] !== undefined) throw new Error(`MIT: ${answer['error']}`);
    return answer;
  }

  end(): void {
    this.#process.stdin.end();
  }
}

interface Setting {
  readonly mechanism: 'krb5' | 'spnego';
  readonly dce?: boolean;
  readonly host?: string;
  readonly ours?: Uint8Array;
  readonly theirs?: Uint8Array;
  readonly mutual?: boolean;
}

const keytab = openKeytab(at('service.keytab'));
const service = createKerberosService({
  keytab,
  environment,
  accounts: (user, realm) => ({ name: `${realm}\\${user}`, userSid: 'S-1-5-21-1-2-3-1001', groupSids: [] }),
});

function describe({ mechanism, dce, host = 'files.example', mutual }: Setting): string {
  return `${mechanism}${dce === true ? ', DCE style' : ''}${mutual === false ? ', not mutual' : ''}, ${host}`;
}

async function ticketFor(host: string): Promise<ServiceTicket> {
  return await obtainServiceTicket({ principal: 'admin', password: 'Pässw0rd', service: 'HTTP', host });
}

async function run(first: 'ours' | 'theirs', ours: RpcSecurityContext, peer: Peer): Promise<void> {
  let token: Uint8Array | undefined;
  let turn = first;
  let complete = false;
  do {
    if (turn === 'ours') token = ours.step(token);
    else {
      const answer = await peer.ask('step', token === undefined ? {} : { token: hex(token) });
      token = answer['token'] === null || answer['token'] === undefined ? undefined : octets(answer['token']);
      complete = answer['complete'] as unknown as boolean;
    }
    turn = turn === 'ours' ? 'theirs' : 'ours';
  } while (token !== undefined && token.length > 0);
  equal([ours.complete, complete], [true, true]);
}

async function ourInitiator(setting: Setting, peer: Peer): Promise<RpcSecurityContext> {
  const ticket = await ticketFor(setting.host ?? 'files.example');
  const options = { ticket, environment, channelBinding: setting.ours, dceStyle: setting.dce };
  const context =
    setting.mechanism === 'krb5'
      ? createKerberosInitiator(options)
      : createSpnegoInitiator({ mechanisms: [kerberosInitiatorMechanism(options)] });
  const bindings = setting.theirs === undefined ? {} : { bindings: hex(setting.theirs) };
  await peer.ask('start', { role: 'accept', keytab: at('service.keytab'), ...bindings });
  await run('ours', context, peer);
  return context;
}

async function ourAcceptor(setting: Setting, peer: Peer): Promise<RpcSecurityContext> {
  const options = { service, channelBinding: setting.ours };
  const context =
    setting.mechanism === 'krb5'
      ? createKerberosAcceptor(options)
      : createSpnegoAcceptor({ mechanisms: [kerberosAcceptorMechanism(options)] });
  const { mechanism, dce, mutual, host = 'files.example' } = setting;
  const bindings = setting.theirs === undefined ? {} : { bindings: hex(setting.theirs) };
  const ccache = `FILE:${at('mit.ccache')}`;
  await peer.ask('start', { role: 'initiate', service: `HTTP@${host}`, ccache, mechanism, dce, mutual, ...bindings });
  await run('theirs', context, peer);
  equal(context.peer?.name, 'CARMINE.TEST\\admin');
  return context;
}

/** What MIT's acceptor sent, for test/golden/kerberos-mit-tokens.json: written when CARMINE_INTEROP_RECORD names a file. */
const recorded: object[] = [];

async function record(setting: Setting): Promise<void> {
  await withPeer(async (peer) => {
    const ours = await ourInitiator(setting, peer);
    const data = hex(text);
    const sign = ['05000003', '10060000'];
    const [mic, sealed] = [await peer.ask('mic', { data }), await peer.ask('seal', { data })];
    const [pdu, wrapped] = [await peer.ask('seal', { data, sign }), await peer.ask('wrap', { data })];
    const header = Buffer.from(mic['mic']!, 'hex');
    recorded.push({
      key: hex(ours.sessionKey),
      etype: etypes[setting.host ?? ''],
      dceStyle: setting.dce === true,
      acceptorSubkey: (header[2]! & 4) !== 0,
      sequence: Number(header.readBigUInt64BE(8)),
      data,
      mic: mic['mic'],
      sealed,
      sign,
      pdu,
      wrapped: wrapped['token'],
    });
  });
}

/** Everything that protects, both ways, several times: sequence numbers go on. */
async function protect(ours: RpcSecurityContext, peer: Peer): Promise<void> {
  for (const data of [text, new Uint8Array(0), new Uint8Array(100_000).fill(7)]) {
    await peer.ask('verify', { data: hex(data), mic: hex(ours.sign(data)) });
    ours.verify(data, octets((await peer.ask('mic', { data: hex(data) }))['mic']!));

    const sealed = ours.wrap(data);
    const opened = await peer.ask('open', { header: hex(sealed.header), data: hex(sealed.data) });
    equal(opened['data'], hex(data));
    const theirs = await peer.ask('seal', { data: hex(data) });
    equal(theirs['header']!.length / 2, sealed.header.length);
    equal(hex(ours.unwrap({ header: octets(theirs['header']!), data: octets(theirs['data']!) })), hex(data));

    const pdu = {
      header: Uint8Array.of(5, 0, 0, 3),
      body: data,
      trailer: Uint8Array.of(16, 6, 0, 0),
      headerSigning: true,
    };
    const sign = [hex(pdu.header), hex(pdu.trailer)];
    const { body, token } = ours.sealPdu(pdu);
    equal((await peer.ask('open', { header: hex(token), data: hex(body), sign }))['data'], hex(data));
    const back = await peer.ask('seal', { data: hex(data), sign });
    equal(hex(ours.openPdu({ ...pdu, body: octets(back['data']!) }, octets(back['header']!))), hex(data));
  }
  if (ours.mechanism !== 'kerberos') return;
  const whole = ours as KerberosContext;
  for (const data of [text, new Uint8Array(0)]) {
    equal(await peer.ask('unwrap', { token: hex(whole.wrapToken(data)) }), { data: hex(data), encrypted: true });
    equal(hex(whole.unwrapToken(octets((await peer.ask('wrap', { data: hex(data) }))['token']!))), hex(data));
  }
}

async function withPeer(action: (peer: Peer) => Promise<void>): Promise<void> {
  const peer = new Peer();
  try {
    await action(peer);
  } finally {
    peer.end();
  }
}

function tool(name: string, ...args: string[]): string {
  return execFileSync(name, args, { encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] });
}

const realm = 'CARMINE.TEST';
execFileSync('kinit', ['-c', at('mit.ccache'), 'admin'], { input: 'Pässw0rd\n' });

await check('a password over UDP', async () => {
  const ticket = await ticketFor('files.example');
  equal(
    [formatPrincipal(ticket.client), formatPrincipal(ticket.server)],
    [`admin@${realm}`, `HTTP/files.example@${realm}`],
  );
});
await check('a password over TCP, as answers are too big for UDP', async () => {
  const { credential } = await obtainGrantingTicket({ principal: 'admin', password: 'Pässw0rd', kdc: [smallKdc] });
  equal(formatPrincipal(credential.server), `krbtgt/${realm}@${realm}`);
});
await check('the next KDC when the first is not there', async () => {
  const kdc = ['127.0.0.1:1', smallKdc];
  await obtainGrantingTicket({ principal: 'admin', password: 'Pässw0rd', kdc });
});
await check('no pre-authentication', async () => {
  await obtainGrantingTicket({ principal: 'easy', password: 'Pässw0rd' });
});
await check('a wrong password', async () => {
  await refused(() => obtainGrantingTicket({ principal: 'admin', password: 'wrong' }), /auth\/failed/);
  await refused(() => obtainGrantingTicket({ principal: 'easy', password: 'wrong' }), /auth\/failed/);
  await refused(() => obtainGrantingTicket({ principal: 'nobody', password: 'wrong' }), /auth\/failed/);
});
await check('an unknown service', async () => {
  await refused(() => ticketFor('nowhere.example'), /auth\/no-ticket/);
});
await check('a keytab of ktadd', async () => {
  const options = { principal: 'admin', keytab: at('admin.keytab'), service: 'HTTP', host: 'files.example' };
  equal(formatPrincipal((await obtainServiceTicket(options)).client), `admin@${realm}`);
});
await check('a keytab of ours, for klist and kinit', () => {
  const entries = readKeytab(at('admin.keytab'));
  equal(entries.map(({ key }) => key.etype).sort(), [17, 18, 19, 20]);
  writeKeytab(at('ours.keytab'), entries);
  equal(
    tool('klist', '-kteK', at('ours.keytab')).split('\n').slice(1),
    tool('klist', '-kteK', at('admin.keytab')).split('\n').slice(1),
  );
  tool('kinit', '-c', at('other.ccache'), '-kt', at('ours.keytab'), 'admin');
});
await check('a ccache of kinit', async () => {
  equal(formatPrincipal(readCredentialCache(at('mit.ccache')).principal), `admin@${realm}`);
  const ticket = await obtainServiceTicket({ ccache: at('mit.ccache'), service: 'host', host: 'files.example' });
  equal(formatPrincipal(ticket.server), `host/files.example@${realm}`);
});
await check('a ccache of kinit, version 3', () => {
  const conf = execFileSync('sed', ['s/^\\[libdefaults\\]/&\\n  ccache_type = 3/', process.env['KRB5_CONFIG']!]);
  execFileSync('tee', [at('v3.conf')], { input: conf, stdio: ['pipe', 'ignore', 'inherit'] });
  const env = { ...process.env, KRB5_CONFIG: at('v3.conf') };
  execFileSync('kinit', ['-c', at('v3.ccache'), '-kt', at('admin.keytab'), 'admin'], { env });
  const cache = readCredentialCache(at('v3.ccache'));
  equal(
    cache.credentials.map((credential) => formatPrincipal(credential.server)),
    [`krbtgt/${realm}@${realm}`],
  );
});
await check('a service ticket of kvno is used without a KDC', async () => {
  tool('kvno', '-c', at('mit.ccache'), 'WSMAN/files.example');
  const options = { ccache: at('mit.ccache'), service: 'WSMAN', host: 'files.example', kdc: [] };
  equal(formatPrincipal((await obtainServiceTicket(options)).server), `WSMAN/files.example@${realm}`);
  await refused(() => obtainServiceTicket({ ...options, service: 'RPCSS' }), /kdc-unreachable/);
});
await check('a ccache of ours, for klist and kvno', async () => {
  const { credential, clockOffset } = await obtainGrantingTicket({ principal: 'admin', password: 'Pässw0rd' });
  const ticket = await ticketFor('files.example');
  writeCredentialCache(at('ours.ccache'), {
    principal: credential.client,
    clockOffset,
    credentials: [credential, ticket],
  });
  const list = tool('klist', '-e', '-c', at('ours.ccache'));
  for (const part of [
    `Default principal: admin@${realm}`,
    `krbtgt/${realm}@${realm}`,
    'HTTP/files.example@',
    'sha384',
  ]) {
    if (!list.includes(part)) throw new Error(`${part} is not in ${list}`);
  }
  tool('kvno', '-c', at('ours.ccache'), 'host/files.example');
});
await check('a referral to another realm', async () => {
  for (const serviceRealm of [undefined, 'OTHER.TEST']) {
    const ticket = await obtainServiceTicket({
      principal: 'admin',
      password: 'Pässw0rd',
      service: 'HTTP',
      host: 'far.other.test',
      ...(serviceRealm === undefined ? { configuration: at('no-domains.conf') } : { serviceRealm }),
    });
    equal(formatPrincipal(ticket.server), 'HTTP/far.other.test@OTHER.TEST');
  }
});
await check('a clock that is an hour off', async () => {
  const slow = { now: () => environment.now() - 3_600_000, randomBytes: environment.randomBytes };
  const options = { principal: 'admin', password: 'Pässw0rd', service: 'HTTP', host: 'files.example' };
  const ticket = await obtainServiceTicket({ ...options, environment: slow });
  await withPeer(async (peer) => {
    await peer.ask('start', { role: 'accept', keytab: at('service.keytab') });
    await run('ours', createKerberosInitiator({ ticket, environment: slow }), peer);
  });
});

const etypes: Record<string, number> = {
  'aes256-cts-hmac-sha384-192.example': 20,
  'aes128-cts-hmac-sha256-128.example': 19,
  'aes256-cts-hmac-sha1-96.example': 18,
  'aes128-cts-hmac-sha1-96.example': 17,
};
const settings: readonly Setting[] = [
  { mechanism: 'krb5' },
  { mechanism: 'krb5', dce: true },
  { mechanism: 'spnego' },
  { mechanism: 'spnego', dce: true },
  ...Object.keys(etypes).flatMap((host) => [
    { mechanism: 'krb5' as const, host },
    { mechanism: 'krb5' as const, host, dce: true },
  ]),
];
for (const setting of settings) {
  await check(`our initiator, MIT's acceptor: ${describe(setting)}`, () =>
    withPeer(async (peer) => protect(await ourInitiator(setting, peer), peer)),
  );
  await check(`MIT's initiator, our acceptor: ${describe(setting)}`, () =>
    withPeer(async (peer) => protect(await ourAcceptor(setting, peer), peer)),
  );
}
await check(`MIT's initiator, our acceptor: not mutual`, () =>
  withPeer(async (peer) => protect(await ourAcceptor({ mechanism: 'krb5', mutual: false }, peer), peer)),
);
for (const [ours, theirs, pattern] of [
  [binding, binding, undefined],
  [binding, binding.map((octet) => octet ^ 1), /bindings/i],
] as const) {
  const title = pattern === undefined ? 'right' : 'wrong';
  await check(`${title} channel binding, our initiator`, () =>
    withPeer(async (peer) => {
      const action = () => ourInitiator({ mechanism: 'krb5', ours, theirs }, peer);
      if (pattern === undefined) await action();
      else await refused(action, pattern);
    }),
  );
  await check(`${title} channel binding, our acceptor`, () =>
    withPeer(async (peer) => {
      const action = () => ourAcceptor({ mechanism: 'krb5', ours, theirs }, peer);
      if (pattern === undefined) await action();
      else await refused(action, /auth\/policy/);
    }),
  );
}
await check('a ticket for a service that is not ours', () =>
  withPeer(async (peer) => {
    const context = createKerberosAcceptor({ service });
    const ccache = `FILE:${at('mit.ccache')}`;
    await peer.ask('start', { role: 'initiate', service: 'cifs@files.example', ccache, mechanism: 'krb5' });
    await refused(() => run('theirs', context, peer), /another service/);
  }),
);

await check('curl --negotiate', async () => {
  const seen: string[] = [];
  const acceptors = new WeakMap<object, ReturnType<typeof createHttpAcceptor>>();
  const server = createServer((request, response) => {
    let acceptor = acceptors.get(request.socket);
    if (acceptor === undefined) {
      acceptor = createHttpAcceptor({
        schemes: ['negotiate', 'kerberos', 'ntlm'],
        accounts: () => undefined,
        kerberos: service,
        environment,
        hostName: 'localhost',
        realm: 'WSMAN',
        source: '127.0.0.1',
        secureTransport: false,
      });
      acceptors.set(request.socket, acceptor);
    }
    const outcome = acceptor.authenticate(request.headers.authorization);
    if (outcome.kind === 'accepted') {
      seen.push(`${outcome.token.scheme} ${outcome.token.name}`);
      response.writeHead(
        200,
        outcome.responseHeader === undefined ? {} : { 'www-authenticate': outcome.responseHeader },
      );
      response.end('welcome');
    } else response.writeHead(401, { 'www-authenticate': [...outcome.headers] }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const url = `http://localhost:${(server.address() as AddressInfo).port}/`;
    const env = { ...process.env, KRB5CCNAME: `FILE:${at('mit.ccache')}` };
    const body = await new Promise<string>((resolve, reject) => {
      execFile('curl', ['-sS', '--negotiate', '-u', ':', url, url], { env }, (error, out) =>
        error ? reject(error) : resolve(out),
      );
    });
    equal([body, seen], ['welcomewelcome', Array.from({ length: 2 }, () => 'kerberos CARMINE.TEST\\admin')]);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

const recording = process.env['CARMINE_INTEROP_RECORD'];
if (recording !== undefined) {
  for (const setting of settings) {
    if (setting.mechanism === 'krb5' && setting.host !== undefined) await record(setting);
  }
  const source = 'tokens of the acceptor of MIT krb5 1.20.1, by test/foreign/run.sh';
  writeFileSync(recording, `${JSON.stringify({ source, contexts: recorded }, null, 2)}\n`);
}

console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
