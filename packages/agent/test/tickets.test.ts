import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parsePrincipal } from '@carmine/auth';
import { writeKeytab } from '@carmine/auth/node';
import { describe, expect, it } from 'vitest';
import { openTickets } from '../src/node/index.ts';
import { temporaryFolder } from './support.ts';

const accounts = new Map<string, string>();
const principal = 'host/host7.example@CARMINE.TEST';

/** A folder with krb5.conf, broken.conf, and a keytab that has a key of `principal`. */
function prepare(): (name: string) => string {
  const folder = temporaryFolder();
  const file = (name: string) => join(folder, name);
  writeFileSync(file('krb5.conf'), '[realms]\nCARMINE.TEST = {\n kdc = 127.0.0.1:9\n}\n');
  writeFileSync(file('broken.conf'), '}');
  const key = { etype: 18, value: new Uint8Array(32) };
  writeKeytab(file('keytab'), [{ principal: parsePrincipal(principal), timestamp: 1, kvno: 1, key }]);
  return file;
}

describe('tickets of an agent', () => {
  it('are for users of a realm that krb5.conf knows, and for the agent if it has a principal', async () => {
    const file = prepare();
    const tickets = openTickets({ keytab: undefined, accounts, config: file('krb5.conf') });
    expect(tickets.own).toBeUndefined();
    const files = { service: 'HTTP', host: 'files.example' };
    const known = tickets.forPassword({ user: 'alice@CARMINE.TEST', password: 'x' });
    await expect(known?.obtain(files)).rejects.toMatchObject({ code: 'auth/kdc-unreachable' });
    const unknown = tickets.forPassword({ user: 'alice@OTHER.TEST', password: 'x' });
    expect(await unknown?.obtain(files)).toBeUndefined();
    expect(tickets.forPassword({ user: 'alice', password: 'x' })).toBeUndefined();
    expect(openTickets({ keytab: file('keytab'), accounts, config: file('krb5.conf'), principal }).own).toBeDefined();
    expect(openTickets({ keytab: file('keytab'), accounts, config: file('krb5.conf') }).own).toBeUndefined();
  });

  it.each([
    ['a configuration that is not there', 'none.conf', principal, /none\.conf/],
    ['one that cannot be read', 'broken.conf', principal, /broken\.conf.*closing brace/],
    ['a principal without a key', 'krb5.conf', 'host/other@CARMINE.TEST', /no key of host\/other@CARMINE\.TEST/],
  ])('say at the start what cannot be used: %s', (_what, config, own, reason) => {
    const file = prepare();
    expect(() => openTickets({ keytab: file('keytab'), accounts, config: file(config), principal: own })).toThrow(
      reason,
    );
  });
});
