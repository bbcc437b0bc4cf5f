import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CarmineError } from '@carmine/errors';
import { toHex } from '@carmine/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createHttpAcceptor, createHttpInitiator, ntOwfV1 } from '../src/index.ts';
import { type AccountDatabase, openAccountDatabase, systemEnvironment } from '../src/node/index.ts';
import { testEnvironment } from './support.ts';

let stateDir: string;
beforeEach(() => {
  stateDir = join(mkdtempSync(join(tmpdir(), 'carmine-accounts-')), 'state');
});
afterEach(() => {
  rmSync(join(stateDir, '..'), { recursive: true, force: true });
});

const open = (report?: (error: CarmineError) => void): AccountDatabase =>
  openAccountDatabase({ stateDir, hostName: 'files.example', environment: testEnvironment(7), report });

describe('accounts', () => {
  test('are added, listed, found and removed', () => {
    const database = open();
    expect(database.machineSid).toMatch(/^S-1-5-21-\d+-\d+-\d+$/);
    expect(database.list()).toEqual([]);
    const sid = (rid: number) => `${database.machineSid}-${rid}`;
    expect(database.add('Admin', 'secret', ['administrators', 'Operators', 'ADMINISTRATORS'])).toEqual({
      name: 'Admin',
      sid: sid(1001),
      groups: ['Administrators', 'Operators'],
    });
    expect(database.add('reader', 'secret', [])).toEqual({ name: 'reader', sid: sid(1002), groups: ['Users'] });
    expect(database.add('other', 'secret', ['operators']).groups).toEqual(['Operators']);
    expect(database.lookup('ADMIN', 'ANYWHERE')).toEqual({
      name: 'FILES\\Admin',
      userSid: sid(1001),
      groupSids: ['S-1-5-32-544', sid(1000)],
      ntHash: ntOwfV1('secret'),
    });
    expect(database.lookup('nobody', '')).toBeUndefined();

    database.remove('ADMIN');
    expect(database.lookup('admin', '')).toBeUndefined();
    expect(() => database.remove('admin')).toThrow(expect.objectContaining({ code: 'configuration/no-account' }));
    // The number of a removed account is not given to another.
    expect(database.add('admin', 'secret', []).sid).toBe(sid(1004));
    expect(database.list().map(({ name }) => name)).toEqual(['reader', 'other', 'admin']);
  });

  test('survive opening again, with the same machine SID', () => {
    const first = open();
    first.add('admin', 'Pässw0rd', ['Administrators']);
    const second = open();
    expect(second.machineSid).toBe(first.machineSid);
    expect(second.list()).toEqual(first.list());
    expect(second.lookup('admin', '')?.ntHash).toEqual(ntOwfV1('Pässw0rd'));
  });

  test('are seen at once when another process changes them', () => {
    const agent = open();
    const command = open();
    expect(agent.lookup('late', '')).toBeUndefined();
    command.add('late', 'secret', []);
    expect(agent.lookup('late', '')?.name).toBe('FILES\\late');
    command.remove('late');
    expect(agent.lookup('late', '')).toBeUndefined();
  });

  test.each<[string, string]>([
    ['admin', 'FILES\\admin'],
    ['files\\ADMIN', 'FILES\\admin'],
    ['files.example\\admin', 'FILES\\admin'],
    ['.\\admin', 'FILES\\admin'],
    ['admin@FILES.example', 'FILES\\admin'],
    ['administrators', 'BUILTIN\\Administrators'],
    ['builtin\\users', 'BUILTIN\\Users'],
    ['Operators', 'FILES\\Operators'],
  ])('the SID of %s', (text, expected) => {
    const database = open();
    database.add('admin', 'secret', ['Operators']);
    const found = database.lookUpSid(text)!;
    expect(`${found.domain}\\${found.name}`).toBe(expected);
    expect(found.sid).toMatch(/^S-1-5-/);
  });

  test.each(['nobody', 'OTHER\\admin', 'admin@other', 'files\\administrators', 'builtin\\admin', ''])(
    'no SID for "%s"',
    (text) => {
      const database = open();
      database.add('admin', 'secret', []);
      expect(database.lookUpSid(text)).toBeUndefined();
    },
  );
});

describe('refused', () => {
  test.each<[string, string, string[]]>([
    ['an empty name', '', []],
    ['a long name', 'a'.repeat(21), []],
    ['a backslash', 'a\\b', []],
    ['an at sign', 'a@b', []],
    ['a control character', 'a\nb', []],
    ['an invisible character', 'a\u200bb', []],
    ['dots only', '..', []],
    ['a space at the end', 'a ', []],
    ['Guest', 'gUEST', []],
    ['a principal', 'SYSTEM', []],
    ['a built-in group', 'Users', []],
    ['a group of the same name', 'twin', ['TWIN']],
    ['a bad group name', 'fine', ['a/b']],
    ['a reserved group name', 'fine', ['Everyone']],
    ['an account as a group', 'fine', ['taken']],
  ])('%s', (_, name, groups) => {
    const database = open();
    database.add('taken', 'secret', []);
    expect(() => database.add(name, 'secret', groups)).toThrow(
      expect.objectContaining({ code: 'configuration/bad-account', kind: 'local' }),
    );
    expect(database.list()).toHaveLength(1);
  });

  test('an empty password, a huge one, and the same name again', () => {
    const database = open();
    for (const password of ['', 'x'.repeat(257)]) {
      expect(() => database.add('user', password, [])).toThrow(
        expect.objectContaining({ code: 'configuration/bad-account' }),
      );
    }
    database.add('user', 'secret', []);
    expect(() => database.add('USER', 'secret', [])).toThrow(
      expect.objectContaining({ code: 'configuration/account-exists' }),
    );
  });
});

describe('files', () => {
  const file = (name: string) => join(stateDir, name);

  test('belong to their owner only, hold no hash and leave nothing behind', () => {
    open().add('admin', 'secret', []);
    expect(readdirSync(stateDir).sort()).toEqual(['accounts.json', 'accounts.key']);
    for (const name of readdirSync(stateDir)) expect(statSync(file(name)).mode & 0o777).toBe(0o600);
    const text = readFileSync(file('accounts.json'), 'utf8');
    const hash = ntOwfV1('secret');
    expect(text).not.toContain(toHex(hash));
    expect(text).not.toContain(Buffer.from(hash).toString('base64'));
    expect(JSON.parse(text)).toMatchObject({ schema: 'carmine.accounts/1', accounts: [{ name: 'admin', rid: 1000 }] });
  });

  test('a change of groups, name or place of a secret is noticed: nobody is known then', () => {
    const database = open();
    database.add('admin', 'secret', ['Administrators']);
    database.add('reader', 'secret', []);
    const original = readFileSync(file('accounts.json'), 'utf8');
    type Json = {
      accounts: { name: string; rid: number; groups: string[]; secret: string }[];
      nextRid: number;
      schema: string;
    };
    const edits: ((json: Json) => void)[] = [
      (json) => json.accounts[1]!.groups.push('S-1-5-32-544'),
      (json) => {
        json.accounts[1]!.name = 'root';
      },
      (json) => {
        json.accounts[1]!.secret = json.accounts[0]!.secret;
      },
      (json) => {
        json.accounts[1]!.secret = '';
      },
      (json) => {
        json.nextRid = 5;
      },
      (json) => {
        json.schema = 'other';
      },
    ];
    for (const edit of edits) {
      const json = JSON.parse(original) as Json;
      edit(json);
      writeFileSync(file('accounts.json'), JSON.stringify(json));
      expect(() => open()).toThrow(expect.objectContaining({ code: 'configuration/unreadable' }));
      expect(database.lookup('admin', '')).toBeUndefined();
      writeFileSync(file('accounts.json'), original);
      expect(database.lookup('admin', '')).toBeDefined();
    }
  });

  test.each([
    ['not JSON', () => writeFileSync(file('accounts.json'), '{')],
    ['gone', () => rmSync(file('accounts.json'))],
  ])('a file that is %s is reported, and nobody is known', (_, damage) => {
    const reports: CarmineError[] = [];
    const database = open((error) => reports.push(error));
    database.add('admin', 'secret', []);
    damage();
    expect(database.lookup('admin', '')).toBeUndefined();
    expect(reports).toEqual([expect.objectContaining({ code: 'configuration/unreadable' })]);
    expect(() => database.list()).toThrow(expect.objectContaining({ code: 'configuration/unreadable' }));
  });

  test('a missing, damaged or readable key is an error, never replaced', () => {
    open().add('admin', 'secret', []);
    const key = readFileSync(file('accounts.key'), 'utf8');
    chmodSync(file('accounts.key'), 0o640);
    expect(() => open()).toThrow(/0600/);
    chmodSync(file('accounts.key'), 0o600);
    writeFileSync(file('accounts.key'), 'short\n');
    expect(() => open()).toThrow(/not a key/);
    rmSync(file('accounts.key'));
    expect(() => open()).toThrow(/missing/);
    expect(readdirSync(stateDir)).toEqual(['accounts.json']);
    writeFileSync(file('accounts.key'), key, { mode: 0o600 });
    expect(open().list()).toHaveLength(1);
  });

  test('two writers do not overwrite each other; the lock of a dead process does not last', () => {
    const database = open();
    writeFileSync(file('accounts.lock'), String(process.pid));
    expect(() => database.add('admin', 'secret', [])).toThrow(
      expect.objectContaining({ code: 'configuration/in-use' }),
    );
    // Process numbers end below 2^22.
    writeFileSync(file('accounts.lock'), '99999999');
    database.add('admin', 'secret', []);
    expect(readdirSync(stateDir)).not.toContain('accounts.lock');
  });
});

test('the system’s environment, the database and HTTP authentication together', () => {
  const database = openAccountDatabase({ stateDir, hostName: 'files' });
  database.add('admin', 'Pässw0rd', ['Administrators']);
  const shared = { environment: systemEnvironment, secureTransport: false, schemes: ['negotiate'] as const };
  const acceptor = createHttpAcceptor({
    ...shared,
    accounts: database.lookup,
    hostName: 'files',
    realm: 'WSMAN',
    source: '127.0.0.1',
  });
  const initiator = createHttpInitiator({
    ...shared,
    credentials: { user: 'admin@files', password: 'Pässw0rd' },
    host: 'files',
    service: 'HTTP',
  });
  let outcome = acceptor.authenticate(initiator.initial());
  while (outcome.kind !== 'accepted') outcome = acceptor.authenticate(initiator.next(outcome.headers));
  expect(outcome.token).toMatchObject({ name: 'FILES\\admin', scheme: 'ntlm', protectedChannel: false });
  expect(outcome.token.groupSids).toContain('S-1-5-32-544');
});
