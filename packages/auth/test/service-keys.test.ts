import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CarmineError } from '@carmine/errors';
import { toHex } from '@carmine/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  createHttpAcceptor,
  createKerberosAcceptor,
  createKerberosInitiator,
  createKerberosService,
  type KeytabEntry,
  ntOwfV1,
  parsePrincipal,
} from '../src/index.ts';
import { type AccountDatabase, hasAccountDatabase, openAccountDatabase } from '../src/node/index.ts';
import { realm, ticketFor } from '../src/testing/index.ts';
import { testKdc } from './kerberos-support.ts';
import { admin, golden, oneAccount, testEnvironment } from './support.ts';

let stateDir: string;
beforeEach(() => {
  stateDir = join(mkdtempSync(join(tmpdir(), 'carmine-keys-')), 'state');
});
afterEach(() => {
  rmSync(join(stateDir, '..'), { recursive: true, force: true });
});

const open = (report?: (error: CarmineError) => void): AccountDatabase =>
  openAccountDatabase({ stateDir, hostName: 'files.example', environment: testEnvironment(7), report });
const file = (name: string) => join(stateDir, name);

function entry(principal: string, kvno: number, etype: number, octet = 5): KeytabEntry {
  const length =
    new Map([
      [17, 16],
      [18, 32],
      [19, 16],
      [20, 32],
      [3, 8],
    ]).get(etype) ?? 16;
  const key = { etype, value: new Uint8Array(length).fill(octet) };
  return { principal: parsePrincipal(principal, 'R.TEST'), timestamp: 1_700_000_000, kvno, key };
}
const http = entry('HTTP/files.example', 3, 18);

describe('service keys', () => {
  test('are imported, listed without the key, handed out and removed', () => {
    const database = open();
    expect([database.listKeys(), database.serviceKeys()]).toEqual([[], []]);
    const host = entry('host/files.example', 300, 20, 6);
    const summaries = [
      { principal: 'HTTP/files.example@R.TEST', kvno: 3, type: 'aes256-cts-hmac-sha1-96' },
      { principal: 'host/files.example@R.TEST', kvno: 300, type: 'aes256-cts-hmac-sha384-192' },
    ];
    expect(database.importKeys([http, host])).toEqual({ imported: summaries, refused: [] });
    expect(database.listKeys()).toEqual(summaries);
    expect(open().serviceKeys()).toEqual([http, host]);
    database.removeKeys('HTTP/files.example@R.TEST');
    expect(open().serviceKeys()).toEqual([host]);
    for (const name of ['HTTP/files.example@R.TEST', 'http/files.example@R.TEST', 'host/files.example@OTHER']) {
      expect(() => database.removeKeys(name)).toThrow(expect.objectContaining({ code: 'configuration/no-keys' }));
    }
    expect(() => database.removeKeys('host/files.example')).toThrow(/with a realm/);
  });

  test('of the same principal, version and type are replaced, others are added', () => {
    const database = open();
    database.importKeys([http]);
    const [newer, other, next] = [
      entry('HTTP/files.example', 3, 18, 9),
      entry('HTTP/files.example', 3, 17),
      entry('HTTP/files.example', 4, 18),
    ];
    expect(database.importKeys([newer, newer, other, next]).imported).toHaveLength(3);
    expect(database.serviceKeys()).toEqual([newer, other, next]);
  });

  test('of types that no ticket is accepted with are refused, by name; the rest is imported', () => {
    const database = open();
    const short: KeytabEntry = { ...http, kvno: 9, key: { etype: 18, value: new Uint8Array(16) } };
    const unnamed: KeytabEntry = { ...http, principal: { realm: 'R', name: { nameType: 1, nameString: [''] } } };
    const old = [3, 16, 23, 99].map((etype) => entry('HTTP/old', 1, etype));
    const { imported, refused } = database.importKeys([...old, short, unnamed, http]);
    expect(imported).toHaveLength(1);
    expect(refused.map(({ type, reason }) => `${type}: ${reason}`)).toEqual([
      'des-cbc-md5: no ticket of this type is accepted',
      'des3-cbc-sha1: no ticket of this type is accepted',
      'rc4-hmac: no ticket of this type is accepted',
      'type 99: no ticket of this type is accepted',
      'aes256-cts-hmac-sha1-96: the key has a wrong length',
      'aes256-cts-hmac-sha1-96: a part of the name is empty',
    ]);
    expect(database.serviceKeys()).toEqual([http]);
  });

  test('are seen at once when another process changes them; else it is the same array', () => {
    const [agent, command] = [open(), open()];
    expect(agent.serviceKeys()).toHaveLength(0);
    command.importKeys([http]);
    expect(agent.serviceKeys()).toHaveLength(1);
    expect(agent.serviceKeys()).toBe(agent.serviceKeys());
    command.removeKeys('HTTP/files.example@R.TEST');
    expect(agent.serviceKeys()).toHaveLength(0);
  });

  test('open tickets, and Kerberos is offered as soon as there are some', () => {
    const [kdc, database] = [testKdc(), open()];
    const accounts = () => admin;
    const service = createKerberosService({ keytab: database.serviceKeys, environment: testEnvironment(), accounts });
    const offered = () => {
      const acceptor = createHttpAcceptor({
        schemes: ['negotiate', 'kerberos'],
        kerberos: service,
        ntlm: false,
        accounts: oneAccount,
        environment: testEnvironment(),
        hostName: 'FILES',
        realm: 'WSMAN',
        source: '127.0.0.1',
        secureTransport: false,
      });
      const outcome = acceptor.authenticate(undefined);
      return outcome.kind === 'challenge' ? outcome.headers : [];
    };
    expect(offered()).toEqual([]);
    database.importKeys(kdc.keytab('HTTP/files.example'));
    expect(offered()).toEqual(['Negotiate', 'Kerberos']);
    const ticket = ticketFor(kdc, 'HTTP/files.example', testEnvironment());
    const log = () => {
      const acceptor = createKerberosAcceptor({ service });
      acceptor.step(createKerberosInitiator({ ticket, environment: testEnvironment(2) }).step());
      return acceptor.peer?.name;
    };
    expect(log()).toBe(admin.name);
    database.removeKeys(`HTTP/files.example@${realm}`);
    expect(log).toThrow(/no key/);
    expect(offered()).toEqual([]);
  });
});

describe('the file', () => {
  test('of older programs is read, and written so that they read it, until there are keys', () => {
    const files = golden<Record<string, string>>('accounts-1.json');
    expect(hasAccountDatabase(stateDir)).toBe(false);
    mkdirSync(stateDir);
    for (const [name, text] of Object.entries(files)) writeFileSync(file(name), text, { mode: 0o600 });
    expect(hasAccountDatabase(stateDir)).toBe(true);
    const randomBytes = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 37 + 11) & 255);
    const database = openAccountDatabase({
      stateDir,
      hostName: 'files.example',
      environment: { now: () => 0, randomBytes },
    });
    expect(database.lookup('admin', '')?.ntHash).toEqual(ntOwfV1('Pässw0rd'));
    expect(database.list().map(({ groups }) => groups)).toEqual([['Administrators', 'Operators'], ['Users']]);
    expect(database.serviceKeys()).toEqual([]);
    database.importKeys([http]);
    expect(JSON.parse(readFileSync(file('accounts.json'), 'utf8'))).toMatchObject({ schema: 'carmine.accounts/2' });
    expect(open().lookup('reader', '')?.ntHash).toEqual(ntOwfV1('secret'));
    database.removeKeys('HTTP/files.example@R.TEST');
    // Every octet as the older program wrote it.
    expect(readFileSync(file('accounts.json'), 'utf8')).toBe(files['accounts.json']);
  });

  test('holds no key in clear', () => {
    open().importKeys([http]);
    const text = readFileSync(file('accounts.json'), 'utf8');
    expect(text).not.toContain(toHex(http.key.value));
    expect(text).not.toContain(Buffer.from(http.key.value).toString('base64').slice(0, 8));
  });

  type Json = { schema: string; serviceKeys: Record<string, unknown>[] };
  test.each<[string, (json: Json) => void]>([
    ['principal', (json) => (json.serviceKeys[0]!['principal'] = 'HTTP/evil@R.TEST')],
    ['version', (json) => (json.serviceKeys[0]!['kvno'] = 4)],
    ['type', (json) => (json.serviceKeys[0]!['type'] = 20)],
    ['unknown type', (json) => (json.serviceKeys[0]!['type'] = 99)],
    ['type of name', (json) => (json.serviceKeys[0]!['nameType'] = 1)],
    ['time', (json) => (json.serviceKeys[0]!['timestamp'] = 0)],
    ['secret', (json) => (json.serviceKeys[0]!['secret'] = json.serviceKeys[1]!['secret'])],
    ['no secret', (json) => (json.serviceKeys[0]!['secret'] = '')],
    ['no principal', (json) => (json.serviceKeys[0]!['principal'] = 'nobody')],
    ['list', (json) => Object.assign(json, { serviceKeys: 'none' })],
  ])('that somebody changed is noticed: no key counts then (%s)', (_, edit) => {
    const reports: CarmineError[] = [];
    const database = open((error) => reports.push(error));
    database.importKeys([http, entry('host/files.example', 3, 18)]);
    const json = JSON.parse(readFileSync(file('accounts.json'), 'utf8')) as Json;
    edit(json);
    writeFileSync(file('accounts.json'), JSON.stringify(json));
    expect(database.serviceKeys()).toEqual([]);
    expect(reports).toEqual([expect.objectContaining({ code: 'configuration/unreadable' })]);
    expect(() => open()).toThrow(expect.objectContaining({ code: 'configuration/unreadable' }));
  });

  test('under another key is an error', () => {
    open().importKeys([http]);
    writeFileSync(file('accounts.key'), `${Buffer.alloc(32, 1).toString('base64')}\n`);
    expect(() => open()).toThrow(/HTTP\/files\.example@R\.TEST: secret does not fit the key/);
  });
});
