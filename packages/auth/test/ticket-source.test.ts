import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cacheTickets, formatPrincipal, type ServiceTicket } from '../src/index.ts';
import { createAgentTickets, createTicketSource, principalOfUser, writeKeytab } from '../src/node/index.ts';
import { type ListeningKdc, listenKdc } from '../src/node/testing/index.ts';
import { realm, start, ticketFor } from '../src/testing/index.ts';
import { testKdc } from './kerberos-support.ts';
import { testEnvironment } from './support.ts';

const password = 'Pässw0rd';
const files = { service: 'HTTP', host: 'files.example' };

describe('cacheTickets', () => {
  const ticket = ticketFor(testKdc(), 'HTTP/files.example', testEnvironment());
  let now = start;
  let asked: string[];
  let answer: () => Promise<ServiceTicket | undefined>;
  const make = () =>
    cacheTickets({ now: () => now }, async ({ service, host }) => {
      asked.push(`${service}/${host}`);
      return await answer();
    });
  beforeEach(() => {
    now = start;
    asked = [];
    answer = async () => ({ ...ticket });
  });

  it('keeps a ticket until a minute before it ends, by the clock of the KDC', async () => {
    answer = async () => ({ ...ticket, clockOffset: 5000 });
    const source = make();
    const first = await source.obtain(files);
    now = ticket.endTime - 65_001;
    expect(await source.obtain(files)).toBe(first);
    now++;
    expect(await source.obtain(files)).not.toBe(first);
    expect(asked).toHaveLength(2);
  });

  it('has one for each service', async () => {
    const source = make();
    await source.obtain(files);
    await source.obtain({ ...files, host: 'other.example' });
    await source.obtain({ ...files, service: 'WSMAN' });
    expect(asked).toEqual(['HTTP/files.example', 'HTTP/other.example', 'WSMAN/files.example']);
  });

  it('asks once for those who ask together, and anew after a failure, no ticket or a refusal', async () => {
    const source = make();
    answer = async () => Promise.reject(new Error('no'));
    const both = [source.obtain(files), source.obtain(files)];
    for (const one of both) await expect(one).rejects.toThrow('no');
    expect(asked).toHaveLength(1);
    answer = async () => undefined;
    expect(await source.obtain(files)).toBeUndefined();
    answer = async () => ({ ...ticket });
    const given = (await source.obtain(files))!;
    expect(asked).toHaveLength(3);
    source.forget(given);
    expect(await source.obtain(files)).not.toBe(given);
  });

  it('one who gives up does not take the ticket from the others', async () => {
    const source = make();
    let give = (_ticket: ServiceTicket) => {};
    answer = () =>
      new Promise((resolve) => {
        give = resolve;
      });
    const controller = new AbortController();
    const impatient = source.obtain({ ...files, signal: controller.signal });
    const patient = source.obtain(files);
    controller.abort();
    await expect(impatient).rejects.toMatchObject({ code: 'internal/aborted' });
    give(ticket);
    expect(await patient).toBe(ticket);
  });
});

describe('sources of tickets', () => {
  const environment = testEnvironment();
  let folder: string;
  let configuration: string;
  let listening: ListeningKdc;
  const kdc = testKdc();
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'carmine-tickets-'));
    configuration = join(folder, 'krb5.conf');
    kdc.asked.length = 0;
    listening = await listenKdc(kdc);
    writeFileSync(configuration, `[realms]\n${realm} = {\n kdc = ${listening.address}\n}\n`);
  });
  afterEach(async () => {
    await listening.close();
    rmSync(folder, { recursive: true });
  });

  it.each([
    ['127.0.0.1', undefined, 'auth/no-ticket'],
    ['[::1]', undefined, 'auth/no-ticket'],
    ['unknown.example', undefined, 'auth/no-ticket'],
    ['127.0.0.1', true, undefined],
    ['unknown.example', true, undefined],
  ] as const)('%s, optional %s: %s', async (host, optional, code) => {
    const source = createTicketSource({ principal: `admin@${realm}`, password, configuration, environment, optional });
    const obtained = source.obtain({ service: 'HTTP', host });
    if (code === undefined) expect(await obtained).toBeUndefined();
    else await expect(obtained).rejects.toMatchObject({ code });
  });

  it('the name of a host is taken in lower case', async () => {
    const source = createTicketSource({ principal: `admin@${realm}`, password, configuration, environment });
    const ticket = await source.obtain({ service: 'HTTP', host: 'FILES.example' });
    expect(formatPrincipal(ticket!.server)).toBe(`HTTP/files.example@${realm}`);
  });

  it('an agent shares tickets only among those who know the same password', async () => {
    const tickets = createAgentTickets({ configuration, environment });
    expect(tickets.own).toBeUndefined();
    const user = `admin@${realm}`;
    await tickets.forPassword({ user, password })!.obtain(files);
    await tickets.forPassword({ user, password })!.obtain(files);
    expect(kdc.asked.filter((line) => line.startsWith('tgs'))).toHaveLength(1);
    const wrong = tickets.forPassword({ user, password: 'wrong' })!;
    await expect(wrong.obtain(files)).rejects.toMatchObject({ code: 'auth/failed' });
  });

  it('an agent has an identity of its own with a key for it', async () => {
    const keytab = join(folder, 'keytab');
    writeKeytab(keytab, kdc.keytab('host/files.example'));
    const own = { principal: `host/files.example@${realm}`, keytab };
    const ticket = await createAgentTickets({ configuration, environment, own }).own!.obtain(files);
    expect(formatPrincipal(ticket!.client)).toBe(own.principal);
  });

  it.each([
    [`alice@${realm}`, `alice@${realm}`],
    ['alice@carmine.test', `alice@${realm}`],
    ['alice@elsewhere.test', undefined],
    ['alice', undefined],
    ['CARMINE\\alice', undefined],
    [`CARMINE\\alice@${realm}`, undefined],
    ['@', undefined],
  ])('the user %s is the principal %s', (user, principal) => {
    expect(principalOfUser(user, configuration)).toBe(principal);
  });
});
