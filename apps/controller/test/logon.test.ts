import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateCertificate } from '@carmine/agent/node';
import { obtainGrantingTicket, writeCredentialCache, writeKeytab } from '@carmine/auth/node';
import { type ListeningKdc, listenKdc, systemKdc } from '@carmine/auth/testing/node';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { carmine, startMachine, type TestMachine } from './support.ts';

const realm = 'CARMINE.TEST';
const passwords = { [`krbtgt/${realm}`]: 'tgs', alice: 'secret', bob: 'b', 'HTTP/localhost': 'http' };
const kdc = systemKdc({ realm, passwords, etypes: [18] });

let folder: string;
let machine: TestMachine;
let listening: ListeningKdc;
const file = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'carmine-logon-'));
  writeKeytab(file('http.keytab'), kdc.keytab('HTTP/localhost'));
  writeKeytab(file('alice.keytab'), kdc.keytab('alice'));
  writeFileSync(file('secret'), 'secret\n');
  writeFileSync(file('wrong'), 'wrong\n');
  machine = await startMachine(
    `[kerberos]\nkeytab = "${file('http.keytab')}"\n[kerberos.accounts]\n"alice@${realm}" = "admin"\n`,
  );
  listening = await listenKdc(kdc);
  configure([listening.address]);
  const kinit = async (name: string, principal: string, password: string, source = kdc) => {
    const own = source === kdc ? listening : await listenKdc(source);
    const ticket = await obtainGrantingTicket({ principal: `${principal}@${realm}`, password, kdc: [own.address] });
    if (own !== listening) await own.close();
    const { credential, clockOffset } = ticket;
    writeCredentialCache(file(name), { principal: credential.client, clockOffset, credentials: [credential] });
  };
  await kinit('alice.ccache', 'alice', 'secret');
  await kinit('bob.ccache', 'bob', 'b');
  // As good as ended: a ticket has to be good for a minute more. One second more and it has ended altogether.
  await kinit('ending.ccache', 'alice', 'secret', systemKdc({ realm, passwords, etypes: [18], lifetime: 59_000 }));
});
afterAll(async () => {
  await Promise.all([machine.close(), listening.close()]);
  rmSync(folder, { recursive: true });
});
beforeEach(() => {
  vi.stubEnv('KRB5_CONFIG', file('krb5.conf'));
  vi.stubEnv('KRB5CCNAME', file('none.ccache'));
  configure([listening.address]);
  kdc.asked.length = 0;
  machine.calls.length = 0;
});
afterEach(() => {
  vi.unstubAllEnvs();
});

function configure(kdcs: readonly string[]): void {
  const lines = kdcs.map((address) => ` kdc = ${address}\n`).join('');
  writeFileSync(file('krb5.conf'), `[libdefaults]\n default_realm = ${realm}\n[realms]\n${realm} = {\n${lines}}\n`);
}

/** The machine by its name, as `user` or nobody in particular. */
const on = (user?: string) => {
  const { port } = new URL(machine.target.replace('wsman:', 'http:'));
  return `wsman://${user === undefined ? '' : `${user}@`}localhost:${port}`;
};
const list = (user: string | undefined, ...options: readonly string[]) =>
  carmine(['job', 'list', '--on', on(user), ...options]);

/** Options with `{file}` for those of this test. */
const filled = (options: string) => options.split(' ').map((word) => word.replace(/^@(.*)$/, (_, name) => file(name)));

describe('carmine logs on', () => {
  it.each([
    ['a ticket of kinit, and no user', undefined, 'alice.ccache', ''],
    ['a ticket of kinit and its user', 'alice', 'alice.ccache', ''],
    ['a ticket of kinit and its principal', `alice%40${realm}`, 'alice.ccache', '--auth kerberos'],
    ['a key table', 'alice', 'none', '--keytab @alice.keytab'],
    ['a key table and no user', undefined, 'none', '--auth kerberos --keytab @alice.keytab'],
    ['a password', `alice%40${realm}`, 'none', '--auth kerberos --password-file @secret'],
    ['a password, in the default realm', 'alice', 'none', '--auth kerberos --password-file @secret'],
    ['a password and a realm in small letters', 'alice%40carmine.test', 'none', '--password-file @secret'],
    ['a password rather than a ticket', `alice%40${realm}`, 'bob.ccache', '--auth kerberos --password-file @secret'],
  ])('with Kerberos by %s', async (_what, user, ccache, options) => {
    vi.stubEnv('KRB5CCNAME', `FILE:${file(ccache)}`);
    expect(await list(user, ...filled(options).filter((word) => word !== ''))).toMatchObject({ exit: 0, stderr: '' });
    expect(kdc.asked.at(-1)).toBe('tgs HTTP/localhost');
    expect(machine.calls).toHaveLength(1);
  });

  it('with what the environment says, where no option says otherwise', async () => {
    vi.stubEnv('CARMINE_KEYTAB', file('alice.keytab'));
    expect(await list('alice')).toMatchObject({ exit: 0 });
    expect(kdc.asked.at(-1)).toBe('tgs HTTP/localhost');
    kdc.asked.length = 0;
    vi.stubEnv('CARMINE_AUTH', 'kerberos');
    expect(await list('admin', '--auth', 'ntlm', '--password-file', machine.passwordFile)).toMatchObject({ exit: 0 });
    expect(kdc.asked).toEqual([]);
  });

  it('with NTLM as ever, by address or by name, whatever tickets there are', async () => {
    vi.stubEnv('KRB5CCNAME', file('alice.ccache'));
    for (const target of [machine.target, on('admin')]) {
      const ended = await carmine(['job', 'list', '--on', target, '--password-file', machine.passwordFile]);
      expect(ended).toMatchObject({ exit: 0, stderr: '' });
    }
    expect(kdc.asked).toEqual([]);
  });

  it.each([
    ['no ticket', undefined, 'none', '--auth kerberos', 4, /no ticket: .*kinit first/],
    ['no ticket and no user', undefined, 'none', '', 2, /names no user, and there is no ticket.*kinit first/],
    [
      'a ticket that has ended',
      undefined,
      'ending.ccache',
      '',
      4,
      /ticket of alice@CARMINE.TEST has expired: kinit again/,
    ],
    [
      "somebody else's ticket",
      'alice',
      'bob.ccache',
      '--auth kerberos',
      4,
      /belongs to bob@CARMINE.TEST, not to alice/,
    ],
    ["somebody else's ticket, not asked for", 'admin', 'bob.ccache', '', 2, /a password is needed/],
    ['a cache that is no file', undefined, 'KCM:', '--auth kerberos', 4, /only files can be used, not KCM:/],
    ['a wrong password', 'alice', 'none', '--auth kerberos --password-file @wrong', 4, /authentication failed/],
    ['nobody in the realm', 'eve', 'none', '--auth kerberos --password-file @secret', 4, /authentication failed/],
    ['a principal without rights', 'bob', 'bob.ccache', '', 4, /authentication failed|denied/],
    ['a key table without the key', 'bob', 'none', '--keytab @alice.keytab', 4, /no key of the client in the keytab/],
    ['no key table', 'bob', 'none', '--keytab @none', 2, /none/],
    ['Windows spelling', 'CARMINE%5Calice', 'none', '--auth kerberos --password-file @secret', 2, /USER@REALM/],
    ['Basic over http', 'alice', 'none', '--auth basic --password-file @secret', 2, /--auth basic needs wsmans/],
    ['another way', 'alice', 'none', '--auth magic', 2, /--auth is one of negotiate, ntlm/],
    [
      'what does not go together',
      'alice',
      'none',
      '--auth ntlm --keytab @x',
      2,
      /--auth ntlm does not go with --keytab/,
    ],
    ['two secrets', 'alice', 'none', '--keytab @x --password-file @secret', 2, /--password-file and --keytab exclude/],
    ['a certificate over http', undefined, 'none', '--client-certificate @x', 2, /needs wsmans/],
    ['no certificate', undefined, 'none', '--auth certificate', 2, /needs --client-certificate/],
    ['a key alone', undefined, 'none', '--client-certificate-key @x', 2, /without --client-certificate/],
  ])('or says why not: %s', async (_what, user, ccache, options, exit, reason) => {
    vi.stubEnv('KRB5CCNAME', /^[A-Z]/.test(ccache) ? ccache : file(ccache));
    const ended = await list(user, ...filled(options).filter((word) => word !== ''));
    expect(ended.stderr).toMatch(reason);
    expect(ended.exit).toBe(exit);
    expect(machine.calls).toEqual([]);
  });

  it('or that the KDC does not answer: trying again may help', async () => {
    vi.stubEnv('KRB5CCNAME', file('alice.ccache'));
    configure(['127.0.0.1:9']);
    expect(await list(undefined)).toMatchObject({
      exit: 5,
      stderr: expect.stringMatching(/no KDC of CARMINE\.TEST answers[\s\S]*krb5\.conf/),
    });
  });

  it('or which service the realm does not know', async () => {
    vi.stubEnv('KRB5CCNAME', file('alice.ccache'));
    const ended = await carmine(['job', 'list', '--on', 'wsman://files.elsewhere.test']);
    expect(ended).toMatchObject({
      exit: 4,
      stderr: expect.stringMatching(/knows no service HTTP\/files\.elsewhere\.test[\s\S]*keytab/),
    });
  });

  it('or that tickets are for names', async () => {
    vi.stubEnv('KRB5CCNAME', file('alice.ccache'));
    const ended = await carmine(['job', 'list', '--on', 'wsman://127.0.0.1:5985']);
    expect(ended).toMatchObject({ exit: 4, stderr: expect.stringContaining('127.0.0.1 is an address') });
  });

  it('or what is wrong with a certificate', async () => {
    const one = await generateCertificate(['localhost'], Date.now());
    const two = await generateCertificate(['localhost'], Date.now());
    writeFileSync(file('one.pem'), one.certificate);
    writeFileSync(file('two.key'), two.privateKey);
    writeFileSync(
      file('locked.key'),
      '-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n',
    );
    const tried = (certificate: string, key: string) =>
      carmine([
        'ping',
        'wsmans://localhost:9',
        ...filled(`--client-certificate @${certificate} --client-certificate-key @${key}`),
      ]);
    expect(await tried('one.pem', 'locked.key')).toMatchObject({
      exit: 2,
      stderr: expect.stringContaining('passphrase'),
    });
    expect(await tried('one.pem', 'two.key')).toMatchObject({ exit: 2, stderr: expect.stringContaining('belongs to') });
    expect(await tried('two.key', 'two.key')).toMatchObject({
      exit: 2,
      stderr: expect.stringContaining('no certificate'),
    });
    expect(await tried('none.pem', 'two.key')).toMatchObject({ exit: 2, stderr: expect.stringContaining('none.pem') });
  });
});

describe('carmine with a client certificate', () => {
  let secure: TestMachine;
  beforeAll(async () => {
    for (const name of ['server', 'client', 'stranger']) {
      const { certificate, privateKey } = await generateCertificate(['localhost'], Date.now());
      writeFileSync(file(`${name}.pem`), certificate);
      writeFileSync(file(`${name}.key`), privateKey);
      writeFileSync(file(`${name}.both`), privateKey + certificate);
    }
    const { fingerprint } = new X509Certificate(readFileSync(file('client.pem')));
    secure = await startMachine(
      [
        'management.https = "127.0.0.1:0"',
        'management.auth = ["certificate"]',
        `management.tls.cert = "${file('server.pem')}"`,
        `management.tls.key = "${file('server.key')}"`,
        `management.tls.client_ca = "${file('client.pem')}"`,
        `management.certificates."${fingerprint}" = "admin"\n`,
      ].join('\n'),
    );
  });
  afterAll(() => secure.close());
  const ask = (options: string, trust = 'server.pem') =>
    carmine(['job', 'list', '--on', secure.secureTarget!, '--trust', file(trust), ...filled(options)]);

  it.each([
    ['and its key', '--client-certificate @client.pem --client-certificate-key @client.key'],
    ['and key in one file', '--auth certificate --client-certificate @client.both'],
  ])('%s', async (_what, options) => {
    secure.calls.length = 0;
    expect(await ask(options)).toMatchObject({ exit: 0, stderr: '' });
    expect(secure.calls).toHaveLength(1);
  });

  it('from the environment', async () => {
    vi.stubEnv('CARMINE_CLIENT_CERTIFICATE', file('client.pem'));
    vi.stubEnv('CARMINE_CLIENT_CERTIFICATE_KEY', file('client.key'));
    expect(await ask('--json')).toMatchObject({ exit: 0 });
  });

  it('that stands for nobody is refused', async () => {
    secure.calls.length = 0;
    expect(await ask('--client-certificate @stranger.both')).toMatchObject({ exit: 4 });
    expect(secure.calls).toEqual([]);
  });

  it('shows it to no server that it does not trust', async () => {
    expect(await ask('--client-certificate @client.both', 'stranger.pem')).toMatchObject({
      stderr: expect.stringMatching(/trust|SELF_SIGNED/i),
    });
  });
});

describe('carmine copy', () => {
  const copy = (...options: readonly string[]) =>
    carmine(['copy', `${on()}/srv/file`, `${on()}/inbox/file`, ...options, '--auth', 'kerberos']);

  it('asks whom the job is to be where there is no password to give it', async () => {
    vi.stubEnv('KRB5CCNAME', file('alice.ccache'));
    expect(await copy()).toMatchObject({
      exit: 2,
      stderr: expect.stringMatching(/--fetch-as USER, or --fetch-as-agent/),
    });
    expect(await copy('--fetch-as-agent', '--fetch-password-file', file('secret'))).toMatchObject({ exit: 2 });
    expect(machine.calls).toEqual([]);
  });

  it('lets the agent fetch as itself, and limits the URL to whom the source knows it as', async () => {
    vi.stubEnv('KRB5CCNAME', file('alice.ccache'));
    machine.results = { getUrlGroup: 'https://+:8443/carmine/', checkUrl: true, createJob: new Error('enough seen') };
    const sddlOf = () =>
      machine.calls.flatMap(([name, , url]) =>
        name === 'createUrl' ? [(url as { sddlAuth: string }).sddlAuth] : [],
      )[0];
    await copy('--fetch-as-agent');
    expect(sddlOf()).toBe('D:P(A;;FR;;;AU)');
    machine.calls.length = 0;
    // A principal is known as the account that it is mapped to.
    await copy('--fetch-as-agent', '--fetch-as', `alice@${realm}`);
    expect(sddlOf()).toMatch(/^D:P\(A;;FR;;;S-1-5-21-.*\)$/);
    machine.calls.length = 0;
    const unknown = await copy('--fetch-as-agent', '--fetch-as', `host/other@${realm}`);
    expect(unknown).toMatchObject({ exit: 3 });
    machine.results = {};
  });
});
