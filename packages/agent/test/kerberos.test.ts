import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Account, AuthenticatedAccount } from '@carmine/auth';
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
    (user) => (user === 'admin' ? admin : undefined),
    machineSid,
    log,
  );
  const full = pac === undefined ? undefined : { name: 'X', userSid: `${domain}-1104`, groupSids: [], ...pac };
  return service?.accounts(principal, realm, full);
}

describe('Kerberos principals', () => {
  it('need a keytab', () => {
    expect(openKerberos({ keytab: undefined, accounts: new Map() }, () => admin, machineSid, log)).toBeUndefined();
  });

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
