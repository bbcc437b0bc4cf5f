import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Account, type AuthenticatedAccount, type KeytabEntry, parsePrincipal } from '@carmine/auth';
import { writeKeytab } from '@carmine/auth/node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openKerberos } from '../src/node/kerberos.ts';

const machineSid = 'S-1-5-21-1-2-3';
const domain = 'S-1-5-21-7-8-9';
const admin: Account = {
  name: 'HOST\\admin',
  userSid: `${machineSid}-1000`,
  groupSids: ['S-1-5-32-544'],
  ntHash: new Uint8Array(16),
};
const database = { machineSid, lookup: () => admin, serviceKeys: (): readonly KeytabEntry[] => [] };
const log = { info: () => {}, warn: () => {}, error: () => {} };

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'carmine-kerberos-'));
  writeKeytab(join(folder, 'keytab'), []);
});
afterEach(() => rmSync(folder, { recursive: true }));

function map(principal: string, realm: string, pac?: Partial<AuthenticatedAccount>): AuthenticatedAccount | undefined {
  const accounts = new Map([
    ['alice@example.com', 'admin'],
    ['bob@example.com', 'gone'],
  ]);
  const service = openKerberos(
    { keytab: join(folder, 'keytab'), accounts },
    { ...database, lookup: (user) => (user === 'admin' ? admin : undefined) },
    log,
  );
  const full = pac === undefined ? undefined : { name: 'X', userSid: `${domain}-1104`, groupSids: [], ...pac };
  return service.accounts(principal, realm, full);
}

describe('Kerberos principals', () => {
  it('that are mapped are that account, whatever the case, with the SIDs of their domain beside its own', () => {
    expect(map('Alice', 'EXAMPLE.COM')).toEqual({
      name: 'HOST\\admin',
      userSid: admin.userSid,
      groupSids: ['S-1-5-32-544'],
    });
    expect(map('alice', 'EXAMPLE.COM', { groupSids: [`${domain}-513`] })?.groupSids).toEqual([
      'S-1-5-32-544',
      `${domain}-1104`,
      `${domain}-513`,
    ]);
  });

  it('that are mapped to an account that is gone are nobody, even with a PAC', () => {
    expect(map('bob', 'EXAMPLE.COM', {})).toBeUndefined();
  });

  it('that are not mapped are what their PAC says, and nobody without one', () => {
    expect(map('carol', 'EXAMPLE.COM')).toBeUndefined();
    expect(map('carol', 'EXAMPLE.COM', { groupSids: [`${domain}-513`] })).toEqual({
      name: 'EXAMPLE.COM\\carol',
      userSid: `${domain}-1104`,
      groupSids: [`${domain}-513`],
    });
    expect(map('alice', 'OTHER.COM')).toBeUndefined();
  });

  it.each(['S-1-5-32-544', 'S-1-5-18', 'S-1-1-0', `${machineSid}-1000`, `${machineSid}-500`])(
    'never bring %s along: a domain does not say who is what here',
    (sid) => {
      expect(map('carol', 'EXAMPLE.COM', { groupSids: [sid, `${domain}-513`] })?.groupSids).toEqual([`${domain}-513`]);
      expect(map('carol', 'EXAMPLE.COM', { userSid: sid, groupSids: [] })).toBeUndefined();
    },
  );
});

describe('Kerberos keys', () => {
  const entry = (name: string, octet: number, kvno = 1): KeytabEntry => ({
    principal: parsePrincipal(name, 'R.TEST'),
    timestamp: 0,
    kvno,
    key: { etype: 18, value: new Uint8Array(32).fill(octet) },
  });
  const [http, wsman] = [entry('HTTP/host', 1), entry('WSMAN/host', 2)];

  it('come from file and database together, each once, as they are now', () => {
    let inDatabase: readonly KeytabEntry[] = [http, wsman];
    const keytab = join(folder, 'keytab');
    const other = entry('HTTP/host', 9);
    writeKeytab(keytab, [http, other]);
    const service = openKerberos({ keytab, accounts: new Map() }, { ...database, serviceKeys: () => inDatabase }, log);
    const names = () => service.keytab().map(({ principal, key }) => `${principal.name.nameString[0]} ${key.value[0]}`);
    // Another key of the same name and version does not push one out: tickets under either open.
    expect(names()).toEqual(['HTTP 1', 'HTTP 9', 'WSMAN 2']);
    expect(service.keytab()).toBe(service.keytab());
    inDatabase = [wsman];
    expect(names()).toEqual(['HTTP 1', 'HTTP 9', 'WSMAN 2']);
    writeKeytab(keytab, []);
    expect(names()).toEqual(['WSMAN 2']);
    inDatabase = [];
    expect(names()).toEqual([]);
  });

  it.each([undefined, false, true])('take rc4-hmac only when it is allowed (%s)', (allowRc4) => {
    const configuration = { keytab: undefined, accounts: new Map(), allowRc4 };
    expect(openKerberos(configuration, database, log).allowRc4).toBe(allowRc4 === true);
  });

  it('need no file; one that is named must be there at first, and is told of once when it is gone later', () => {
    const configuration = { keytab: undefined, accounts: new Map() };
    expect(openKerberos(configuration, database, log).keytab()).toEqual([]);
    const keytab = join(folder, 'none');
    const open = (file: string, errors: string[] = []) =>
      openKerberos(
        { keytab: file, accounts: new Map() },
        { ...database, serviceKeys: () => [wsman] },
        { ...log, error: (message) => void errors.push(message) },
      );
    expect(() => open(keytab)).toThrow(/no such file/);
    writeKeytab(keytab, [http]);
    const errors: string[] = [];
    const service = open(keytab, errors);
    expect(service.keytab()).toHaveLength(2);
    rmSync(keytab);
    for (let time = 0; time < 3; time++) expect(service.keytab()).toEqual([wsman]);
    expect(errors).toEqual(['the keytab cannot be read: none of its keys counts']);
  });
});
