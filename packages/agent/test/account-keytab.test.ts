import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { type KeytabEntry, parsePrincipal } from '@carmine/auth';
import { writeKeytab } from '@carmine/auth/node';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parseConfiguration } from '../src/index.ts';
import { runAgentProgram, startAgent } from '../src/node/index.ts';
import { captured, recordingLog, temporaryFolder } from './support.ts';
import { serverProgram } from './support-program.ts';

const run = (...argv: string[]) => captured(() => runAgentProgram(serverProgram, argv));
const key = (principal: string, kvno: number, etype: number, octet = 7): KeytabEntry => ({
  principal: parsePrincipal(principal, 'R.TEST'),
  timestamp: 0,
  kvno,
  key: {
    etype,
    value: new Uint8Array(
      new Map([
        [18, 32],
        [20, 32],
        [17, 16],
        [23, 16],
      ]).get(etype) ?? 8,
    ).fill(octet),
  },
});

/** A configuration and a key table of one service. */
function scene(entries: readonly KeytabEntry[] = [key('HTTP/host', 2, 18), key('HTTP/host', 2, 17)]) {
  const folder = temporaryFolder();
  const [config, keytab, stateDir] = [join(folder, 'agent.toml'), join(folder, 'keytab'), join(folder, 'state')];
  writeFileSync(
    config,
    `state_dir = ${JSON.stringify(stateDir)}\nmanagement.http = "127.0.0.1:0"\nserver.roots = ["/srv"]\n`,
  );
  writeKeytab(keytab, entries);
  return { folder, config, keytab, stateDir };
}

const shown = 'HTTP/host@R.TEST  kvno 2  aes256-cts-hmac-sha1-96,aes128-cts-hmac-sha1-96';

describe('account import-keytab', () => {
  it('keeps the keys of a file, encrypted, and says which; list shows them', async () => {
    const { config, keytab, stateDir } = scene();
    expect(await run('account', 'import-keytab', keytab, '--config', config)).toEqual({
      result: 0,
      stdout: `${shown}\n`,
      stderr: '',
    });
    expect((await run('account', 'list', '--config', config)).stdout).toBe(`${shown}\n`);
    const { stdout } = await run('account', 'list', '--config', config, '--json');
    const types = ['aes256-cts-hmac-sha1-96', 'aes128-cts-hmac-sha1-96'];
    expect(JSON.parse(stdout)).toEqual({
      schema: 'carmine.account-list/1',
      accounts: [],
      serviceKeys: [{ principal: 'HTTP/host@R.TEST', kvno: 2, types }],
    });
    const database = readFileSync(join(stateDir, 'accounts.json'), 'utf8');
    expect(database).not.toContain(Buffer.alloc(16, 7).toString('base64').slice(0, 20));
  });

  it('replaces what it has and leaves out what no ticket is accepted with, saying what', async () => {
    const { config, keytab } = scene();
    await run('account', 'import-keytab', keytab, '--config', config);
    writeKeytab(keytab, [key('HTTP/host', 2, 18, 9), key('HTTP/ho\x1bst', 2, 23), key('HTTP/host', 3, 3)]);
    expect(await run('account', 'import-keytab', keytab, '--config', config)).toEqual({
      result: 0,
      stdout: `HTTP/host@R.TEST  kvno 2  aes256-cts-hmac-sha1-96
not imported: HTTP/ho?st@R.TEST  kvno 2  rc4-hmac: no ticket of this type is accepted
not imported: HTTP/host@R.TEST  kvno 3  des-cbc-md5: no ticket of this type is accepted\n`,
      stderr: '',
    });
    const { stdout } = await run('account', 'import-keytab', keytab, '--config', config, '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      schema: 'carmine.imported-keys/1',
      imported: [{ principal: 'HTTP/host@R.TEST', kvno: 2, types: ['aes256-cts-hmac-sha1-96'] }],
      refused: [
        { kvno: 2, type: 'rc4-hmac' },
        { kvno: 3, type: 'des-cbc-md5' },
      ],
    });
    expect((await run('account', 'list', '--config', config)).stdout).toBe(`${shown}\n`);
  });

  it('takes keys for RC4 where tickets under them are allowed', async () => {
    const { config, keytab } = scene([key('HTTP/host', 2, 23)]);
    writeFileSync(config, `${readFileSync(config, 'utf8')}kerberos.allow_rc4 = true\n`);
    const shown = 'HTTP/host@R.TEST  kvno 2  rc4-hmac';
    expect(await run('account', 'import-keytab', keytab, '--config', config)).toEqual({
      result: 0,
      stdout: `${shown}\n`,
      stderr: '',
    });
    expect((await run('account', 'list', '--config', config)).stdout).toBe(`${shown}\n`);
    expect((await run('check', '--config', config)).stdout).toContain(`Kerberos               ${shown}  (accounts)\n`);
  });

  it('refuses files that are no key table, empty, missing or of no use', async () => {
    const { config, keytab, folder } = scene([]);
    const attempt = (file: string) => run('account', 'import-keytab', file, '--config', config);
    expect(await attempt(keytab)).toMatchObject({
      result: 2,
      stderr: expect.stringContaining('there is no key in it'),
    });
    expect(await attempt(join(folder, 'none'))).toMatchObject({
      result: 2,
      stderr: expect.stringContaining('there is no such file'),
    });
    expect(await attempt(folder)).toMatchObject({ result: 2, stderr: expect.stringContaining('cannot read') });
    writeFileSync(keytab, 'a text');
    expect(await attempt(keytab)).toMatchObject({ result: 2, stderr: expect.stringContaining('keytab: version 0x') });
    writeKeytab(keytab, [key('HTTP/host', 1, 23)]);
    expect(await attempt(keytab)).toMatchObject({
      result: 2,
      stdout: expect.stringContaining('not imported: HTTP/host@R.TEST  kvno 1  rc4-hmac'),
      stderr: expect.stringContaining('none of its keys can be used'),
    });
    expect(await run('account', 'import-keytab', '--config', config)).toMatchObject({
      result: 2,
      stderr: 'carmine-server: FILE is missing\n',
    });
    expect((await run('account', 'list', '--config', config)).stdout).toBe('');
  });

  it('is undone by remove-keys', async () => {
    const { config, keytab } = scene([key('HTTP/host', 2, 18), key('WSMAN/host', 2, 18)]);
    await run('account', 'import-keytab', keytab, '--config', config);
    const remove = (...argv: string[]) => run('account', 'remove-keys', ...argv, '--config', config);
    expect(await remove('HTTP/host@R.TEST')).toEqual({ result: 0, stdout: '', stderr: '' });
    expect((await run('account', 'list', '--config', config)).stdout).toMatch(/^WSMAN\/host@R\.TEST.*\n$/);
    expect(await remove('HTTP/host@R.TEST')).toMatchObject({
      result: 2,
      stderr: 'carmine-server: there are no keys of HTTP/host@R.TEST\n',
    });
    expect(await remove('WSMAN/host')).toMatchObject({ result: 2, stderr: expect.stringContaining('with a realm') });
    expect(await remove()).toMatchObject({ result: 2, stderr: 'carmine-server: PRINCIPAL is missing\n' });
  });

  it('wants the key of the accounts', async () => {
    const { config, keytab, stateDir } = scene();
    await run('account', 'import-keytab', keytab, '--config', config);
    writeFileSync(join(stateDir, 'accounts.key'), `${Buffer.alloc(32, 1).toString('base64')}\n`);
    for (const argv of [['account', 'list'], ['account', 'import-keytab', keytab], ['check']]) {
      expect(await run(...argv, '--config', config)).toMatchObject({
        result: 2,
        stdout: '',
        stderr: expect.stringContaining('secret does not fit the key'),
      });
    }
  });
});

describe('check', () => {
  it('says which services are answered to, and from where their keys come; it makes no database', async () => {
    const { config, keytab, stateDir, folder } = scene([
      key('HTTP/host', 2, 18),
      key('cifs/host', 2, 18),
      key('alice', 1, 18),
    ]);
    expect((await run('check', '--config', config)).stdout).toContain(
      'authentication         kerberos (no keys), ntlm\n',
    );
    expect(() => readFileSync(join(stateDir, 'accounts.json'))).toThrow('ENOENT');
    await run('account', 'import-keytab', keytab, '--config', config);
    const file = join(folder, 'file');
    writeKeytab(file, [key('wsman/host', 5, 20), key('wsman/host', 5, 23)]);
    writeFileSync(config, `${readFileSync(config, 'utf8')}kerberos.keytab = ${JSON.stringify(file)}\n`);
    const { stdout } = await run('check', '--config', config);
    expect(stdout.split('\n').filter((line) => /^(auth|Kerb|warn)/.test(line))).toEqual([
      'authentication         kerberos, ntlm',
      'Kerberos               wsman/host@R.TEST  kvno 5  aes256-cts-hmac-sha384-192  (keytab)',
      'Kerberos               HTTP/host@R.TEST  kvno 2  aes256-cts-hmac-sha1-96  (accounts)',
    ]);
    expect(JSON.parse((await run('check', '--config', config, '--json')).stdout)).toMatchObject({
      kerberos: [
        { principal: 'wsman/host@R.TEST', from: 'keytab' },
        { principal: 'HTTP/host@R.TEST', from: 'accounts' },
      ],
    });
    writeFileSync(file, '');
    expect(await run('check', '--config', config)).toMatchObject({ result: 2, stderr: expect.stringContaining(file) });
  });
});

describe('a running agent', () => {
  it('offers Kerberos from the next connection on after keys are imported, until they are removed', async () => {
    const { config, keytab } = scene();
    const text = `${readFileSync(config, 'utf8')}management.auth = ["kerberos"]\n`;
    const log = recordingLog();
    const agent = await startAgent({
      role: 'server',
      configuration: parseConfiguration({ role: 'server', file: config, text, environment: {} }),
      version: '1.2.3',
      log,
      createService: async () => ({ providers: {}, start: async () => {}, stop: async () => {} }),
    });
    onTestFinished(() => agent.stop());
    expect(log.lines).toContainEqual(expect.stringContaining('"kerberos" is not offered: there are no keys'));
    const offered = () => challengesOf(`http://${agent.ready.wsman.http}/wsman`);
    expect(await offered()).toEqual([]);
    await run('account', 'import-keytab', keytab, '--config', config);
    expect(await offered()).toEqual(['Negotiate', 'Kerberos']);
    await run('account', 'remove-keys', 'HTTP/host@R.TEST', '--config', config);
    expect(await offered()).toEqual([]);
  });
});

/** What a request without credentials, on a connection of its own, is asked for. */
function challengesOf(url: string): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    const headers = { 'Content-Type': 'application/soap+xml;charset=UTF-8' };
    const sent = request(url, { method: 'POST', agent: false, headers }, (response) => {
      response.resume().once('end', () => resolve(response.headersDistinct['www-authenticate'] ?? []));
    });
    sent.once('error', reject).end('<x/>');
  });
}
