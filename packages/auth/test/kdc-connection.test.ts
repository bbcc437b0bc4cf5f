import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeDer } from '@carmine/wire/der';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { formatPrincipal, parsePrincipal } from '../src/index.ts';
import { krbError, krbErrors } from '../src/kerberos/messages/krb-error.ts';
import {
  type ObtainServiceTicketOptions,
  obtainGrantingTicket,
  obtainServiceTicket,
  writeCredentialCache,
  writeKeytab,
} from '../src/node/index.ts';
import { type KdcBehaviour, type ListeningKdc, listenKdc } from '../src/node/testing/index.ts';
import { realm, start } from '../src/testing/index.ts';
import { testKdc } from './kerberos-support.ts';
import { testEnvironment } from './support.ts';

const kdc = testKdc();
const tooBig = () =>
  encodeDer(krbError, {
    stime: start,
    susec: 0,
    errorCode: krbErrors.KRB_ERR_RESPONSE_TOO_BIG,
    realm,
    sname: { nameType: 2, nameString: ['krbtgt', realm] },
  });

const listen = (behaviour?: KdcBehaviour) => listenKdc(kdc, behaviour);

let folder: string;
let configuration: string;
const open: ListeningKdc[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'carmine-kdc-'));
  configuration = join(folder, 'krb5.conf');
  writeFileSync(configuration, `[libdefaults]\ndefault_realm = ${realm}\n`);
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
  rmSync(folder, { recursive: true });
});

async function listening(behaviour?: KdcBehaviour): Promise<ListeningKdc> {
  const one = await listen(behaviour);
  open.push(one);
  return one;
}

function options(changes: Partial<ObtainServiceTicketOptions>): ObtainServiceTicketOptions {
  return {
    principal: 'admin',
    password: 'Pässw0rd',
    service: 'HTTP',
    host: 'files.example',
    configuration,
    environment: testEnvironment(5),
    ...changes,
  };
}

describe('a ticket from a KDC on loopback', () => {
  test('over UDP', async () => {
    const { address, log } = await listening();
    const ticket = await obtainServiceTicket(options({ kdc: [address] }));
    expect(formatPrincipal(ticket.server)).toBe(`HTTP/files.example@${realm}`);
    expect(log).toEqual(['udp', 'udp', 'udp']);
  });

  test('over TCP when answers are too big', async () => {
    const { address, log } = await listening({ udp: tooBig });
    await obtainServiceTicket(options({ kdc: [address] }));
    expect(log).toEqual(['udp', 'tcp', 'udp', 'tcp', 'udp', 'tcp']);
  });

  test('over TCP when UDP is not answered', async () => {
    const { address, log } = await listening({ udp: () => undefined });
    await obtainGrantingTicket(options({ kdc: [address], timeout: 200 }));
    expect(log).toEqual(['udp', 'tcp', 'udp', 'tcp']);
  });

  test('from the next KDC, as the configuration lists them', async () => {
    const { address } = await listening();
    writeFileSync(configuration, `[realms]\n${realm} = {\nkdc = 127.0.0.1:1\nkdc = ${address}\n}\n`);
    const ticket = await obtainServiceTicket(options({ principal: `admin@${realm}` }));
    expect(ticket.client).toEqual(parsePrincipal('admin', realm));
  });

  test('with a key table', async () => {
    const { address } = await listening();
    const keytab = join(folder, 'keytab');
    writeKeytab(keytab, kdc.keytab('admin'));
    const ticket = await obtainServiceTicket(options({ password: undefined, keytab, kdc: [address] }));
    expect(ticket.client).toEqual(parsePrincipal('admin', realm));
  });

  test('with a cache: the ticket-granting ticket, then the service’s own without asking', async () => {
    const { address, log } = await listening();
    const granting = await obtainGrantingTicket(options({ kdc: [address] }));
    const ccache = join(folder, 'ccache');
    const { client } = granting.credential;
    writeCredentialCache(ccache, { principal: client, clockOffset: 0, credentials: [granting.credential] });
    log.length = 0;
    const cached = options({ principal: undefined, password: undefined, ccache, kdc: [address] });
    const ticket = await obtainServiceTicket(cached);
    expect(log).toEqual(['udp']);
    writeCredentialCache(ccache, { principal: client, clockOffset: 7, credentials: [granting.credential, ticket] });
    expect(await obtainServiceTicket(cached)).toEqual({ ...ticket, clockOffset: 7 });
    expect(log).toEqual(['udp']);

    const later = { ...cached, environment: testEnvironment(5, start + 36_000_000) };
    await expect(obtainServiceTicket(later)).rejects.toMatchObject({ code: 'auth/no-ticket' });
    const other = { ...cached, principal: 'somebody' };
    await expect(obtainServiceTicket(other)).rejects.toThrow(/the cache belongs to admin@CARMINE\.TEST/);
  });
});

describe('what goes wrong', () => {
  test.each<[string, KdcBehaviour, RegExp]>([
    [
      'an answer that is too long',
      { udp: tooBig, tcp: (_, socket) => void socket.write(Uint8Array.of(0x7f, 0, 0, 0)) },
      /octets/,
    ],
    [
      'a connection that ends early',
      { udp: tooBig, tcp: (_, socket) => void socket.end(Uint8Array.of(0, 0, 0, 9, 1)) },
      /closed/,
    ],
    ['no answer', { udp: () => undefined, tcp: () => undefined }, /in time/],
  ])('%s', async (_, behaviour, message) => {
    const { address } = await listening(behaviour);
    const attempt = obtainGrantingTicket(options({ kdc: [address], timeout: 100 }));
    await expect(attempt).rejects.toMatchObject({
      code: 'auth/kdc-unreachable',
      kind: 'transient',
      message: expect.stringMatching(message),
    });
  });

  test('answers that are not Kerberos', async () => {
    const { address } = await listening({ udp: () => Uint8Array.of(0x7e, 1, 2) });
    await expect(obtainGrantingTicket(options({ kdc: [address] }))).rejects.toMatchObject({ code: 'auth/protocol' });
  });

  test('a wrong password', async () => {
    const { address } = await listening();
    const wrong = options({ password: 'wrong', kdc: [address] });
    await expect(obtainServiceTicket(wrong)).rejects.toMatchObject({ code: 'auth/failed', kind: 'refused' });
  });

  test('nobody to ask, nothing to prove oneself with, nonsense in place of an address', async () => {
    await expect(obtainGrantingTicket(options({}))).rejects.toMatchObject({
      code: 'auth/kdc-unreachable',
      message: expect.stringContaining('none is configured'),
    });
    await expect(obtainGrantingTicket(options({ password: undefined }))).rejects.toThrow(/password, key table/);
    await expect(obtainGrantingTicket(options({ principal: undefined }))).rejects.toThrow(/whose ticket/);
    await expect(obtainGrantingTicket(options({ kdc: ['a:b:c'] }))).rejects.toThrow(/not the address/);
  });

  test('an abort, before and meanwhile', async () => {
    const controller = new AbortController();
    const { address } = await listening({
      udp: () => {
        controller.abort();
        return undefined;
      },
    });
    const { signal } = controller;
    await expect(obtainGrantingTicket(options({ kdc: [address], signal }))).rejects.toMatchObject({
      code: 'internal/aborted',
    });
    await expect(obtainGrantingTicket(options({ kdc: [address], signal }))).rejects.toMatchObject({
      code: 'internal/aborted',
    });
  });
});
