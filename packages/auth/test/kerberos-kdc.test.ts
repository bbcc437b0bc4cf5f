import { describe, expect, test } from 'vitest';
import { createAsExchange, createTgsExchange, parsePrincipal } from '../src/index.ts';
import { realm, runExchange, start, TestKdc, type TestKdcOptions, ticketFor } from '../src/testing/index.ts';
import { seededBytes, testKdc } from './kerberos-support.ts';
import { caught, testEnvironment } from './support.ts';

const client = parsePrincipal('admin', realm);
const secret = { password: 'Pässw0rd' };
const http = parsePrincipal('HTTP/files.example', realm).name;

function grantingTicket(kdc: TestKdc, now = start) {
  const exchange = createAsExchange({ client, secret, environment: testEnvironment(5, now) });
  return runExchange(exchange, [realm, kdc]);
}

describe('the ticket-granting ticket', () => {
  test.each([
    ['with pre-authentication', {}, ['as admin', 'as admin']],
    ['without', { preauth: false }, ['as admin']],
    ['with another salt', { salt: 'somewhere else' }, ['as admin', 'as admin']],
    ['with more rounds', { iterations: 5000 }, ['as admin', 'as admin']],
    ['with old types only', { etypes: [17] }, ['as admin', 'as admin']],
  ] as [string, Partial<TestKdcOptions>, string[]][])('%s', (_, changes, asked) => {
    const kdc = testKdc(changes);
    const { credential, clockOffset } = grantingTicket(kdc);
    expect(kdc.asked).toEqual(asked);
    expect(credential.server).toEqual(parsePrincipal(`krbtgt/${realm}`, realm));
    expect([credential.endTime, clockOffset]).toEqual([start + 36_000_000, 0]);
  });

  test.each([
    ['the keytab’s types are asked for', [18, 17], undefined],
    ['a keytab of another client', [18], 'somebody'],
  ])('%s', (_, etypes, name) => {
    const kdc = testKdc({ etypes, passwords: { somebody: 'x' } });
    const keytab = kdc.keytab(name ?? 'admin');
    const start = () => createAsExchange({ client, secret: { keytab }, environment: testEnvironment() });
    if (name === undefined) {
      expect(runExchange(start(), [realm, kdc]).credential.sessionKey.etype).toBe(18);
    } else expect(start).toThrow(expect.objectContaining({ code: 'auth/no-ticket' }));
  });

  test.each([
    ['a wrong password', 'auth/failed', {}, { password: 'wrong' }],
    ['a wrong password without pre-authentication', 'auth/failed', { preauth: false }, { password: 'wrong' }],
    ['no type in common', 'auth/kdc-refused', { etypes: [23] }, secret],
    ['too few rounds', 'auth/policy', { iterations: 100 }, secret],
    ['too many rounds', 'auth/policy', { iterations: 2_000_000, passwords: {} }, secret],
  ] as [string, string, Partial<TestKdcOptions>, { password: string }][])('%s', (_, code, changes, wrong) => {
    const kdc = testKdc(changes);
    const exchange = createAsExchange({ client, secret: wrong, environment: testEnvironment() });
    expect(caught(() => runExchange(exchange, [realm, kdc]))).toMatchObject({ code, kind: 'refused' });
  });

  test('an unknown client looks like a wrong password', () => {
    const unknown = parsePrincipal('nobody', realm);
    const exchange = createAsExchange({ client: unknown, secret, environment: testEnvironment() });
    expect(caught(() => runExchange(exchange, [realm, testKdc()]))).toMatchObject({ code: 'auth/failed' });
  });

  test.each([-3_600_000, 3_600_000])('a clock that is off by %i ms is put right', (difference) => {
    const kdc = testKdc();
    const { clockOffset, credential } = grantingTicket(kdc, start + difference);
    expect(clockOffset).toBe(-difference);
    expect(kdc.asked).toHaveLength(3);
    const service = runExchange(
      createTgsExchange({
        ticketGrantingTicket: credential,
        clockOffset,
        service: http,
        environment: testEnvironment(6, start + difference),
      }),
      [realm, kdc],
    );
    expect(service.clockOffset).toBe(-difference);
  });

  test('the realm may be spelled in another case; the KDC’s spelling counts', () => {
    const kdc = testKdc();
    const lower = { realm: realm.toLowerCase(), name: client.name };
    const exchange = createAsExchange({ client: lower, secret, environment: testEnvironment(5) });
    expect(runExchange(exchange, [lower.realm, kdc]).credential.client).toEqual(client);
    const other = { realm: 'OTHER.TEST', name: client.name };
    const wrong = createAsExchange({ client: other, secret, environment: testEnvironment(5) });
    expect(() => runExchange(wrong, ['OTHER.TEST', testKdc()])).toThrow(/another client/);
  });

  test('a KDC that keeps being off is left', () => {
    const environment = testEnvironment(5, start + 3_600_000);
    const exchange = createAsExchange({ client, secret, environment });
    const kdc = testKdc();
    exchange.poll();
    exchange.receive(kdc.handle(firstRequest(environment)));
    const skewed = kdc.handle(exchange.poll()!.message);
    exchange.receive(skewed);
    exchange.poll();
    expect(() => exchange.receive(skewed)).toThrow(expect.objectContaining({ code: 'auth/kdc-refused' }));
  });

  test('answers to other requests, and without one, are refused', () => {
    const kdc = testKdc({ preauth: false });
    const exchange = createAsExchange({ client, secret, environment: testEnvironment(8) });
    expect(() => exchange.receive(new Uint8Array(0))).toThrow(/without a request/);
    exchange.poll();
    expect(() => exchange.receive(kdc.handle(firstRequest(testEnvironment(9))))).toThrow(/another request/);
  });

  test.each([
    ['another service', (part) => ({ ...part, sname: http }), /another service/],
    ['one that has ended', (part) => ({ ...part, endtime: start - 1000 }), /ended/],
  ] as [string, TestKdc['tamper'], RegExp][])('a ticket for %s is refused', (_, tamper, message) => {
    const kdc = testKdc();
    kdc.tamper = tamper;
    expect(() => grantingTicket(kdc)).toThrow(message);
  });

  test('a KDC that knows its time is believed only once it has proved itself', () => {
    const kdc = testKdc({ preauth: false, now: start + 7_200_000 });
    expect(grantingTicket(kdc).clockOffset).toBe(7_200_000);
  });

  test.each([true, false])('a clock at the end of all years is no clock (pre-authentication: %s)', (preauth) => {
    const kdc = testKdc({ preauth, now: Date.UTC(9999, 11, 31, 20) });
    expect(caught(() => grantingTicket(kdc))).toMatchObject({ code: 'auth/protocol', kind: 'remote' });
  });
});

function firstRequest(environment: ReturnType<typeof testEnvironment>): Uint8Array {
  return createAsExchange({ client, secret, environment }).poll()!.message;
}

describe('a service’s ticket', () => {
  test('is for the service and the client', () => {
    const ticket = ticketFor(testKdc(), 'HTTP/files.example', testEnvironment());
    expect(ticket.client).toEqual(client);
    expect(ticket.server.name.nameString).toEqual(['HTTP', 'files.example']);
  });

  test('of an unknown service', () => {
    const error = caught(() => ticketFor(testKdc(), 'HTTP/elsewhere.example', testEnvironment()));
    expect(error).toMatchObject({ code: 'auth/no-ticket', message: expect.stringContaining('HTTP/elsewhere.example') });
  });

  test('needs a ticket-granting ticket', () => {
    const ticket = ticketFor(testKdc(), 'HTTP/files.example', testEnvironment());
    const options = { ticketGrantingTicket: ticket, service: http, environment: testEnvironment() };
    expect(() => createTgsExchange(options)).toThrow(/not a ticket-granting ticket/);
  });

  const cross = { [`krbtgt/OTHER.TEST`]: 'between' };
  const otherKdc = (more: Partial<TestKdcOptions> = {}) =>
    new TestKdc({
      randomBytes: seededBytes(),
      realm: 'OTHER.TEST',
      now: start,
      passwords: { ...cross, 'HTTP/far.example': 'far', 'krbtgt/CARMINE.TEST': 'back' },
      salt: 'shared',
      ...more,
    });
  const far = parsePrincipal('HTTP/far.example', realm).name;

  test.each([undefined, 'OTHER.TEST'])('in another realm, named beforehand: %s', (serviceRealm) => {
    const kdc = testKdc({ passwords: cross, referrals: { 'HTTP/far.example': 'OTHER.TEST' }, salt: 'shared' });
    const { credential } = grantingTicket(kdc);
    const environment = testEnvironment(6);
    const exchange = createTgsExchange({ ticketGrantingTicket: credential, service: far, serviceRealm, environment });
    const ticket = runExchange(exchange, [realm, kdc], ['OTHER.TEST', otherKdc()]);
    expect([ticket.server.realm, ticket.client.realm]).toEqual(['OTHER.TEST', realm]);
    expect(kdc.asked.at(-1)).toBe(serviceRealm === undefined ? 'tgs HTTP/far.example' : 'tgs krbtgt/OTHER.TEST');
  });

  test('referrals that go round in circles end', () => {
    const kdc = testKdc({ passwords: cross, referrals: { 'HTTP/far.example': 'OTHER.TEST' }, salt: 'shared' });
    const back = otherKdc({ referrals: { 'HTTP/far.example': realm } });
    const { credential } = grantingTicket(kdc);
    const options = { ticketGrantingTicket: credential, service: far, environment: testEnvironment(6) };
    const exchange = createTgsExchange(options);
    expect(() => runExchange(exchange, [realm, kdc], ['OTHER.TEST', back])).toThrow(/lead nowhere/);
  });
});
