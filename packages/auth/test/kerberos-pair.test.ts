import { isCarmineError } from '@carmine/errors';
import { concatBytes } from '@carmine/wire';
import { decodeDer, encodeDer } from '@carmine/wire/der';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type AuthenticatedAccount,
  createKerberosAcceptor,
  createKerberosInitiator,
  createKerberosService,
  createReplayCache,
  type KerberosAcceptorOptions,
  type KerberosContext,
  type KerberosInitiatorOptions,
  type KerberosServiceOptions,
  parsePrincipal,
  type ServiceTicket,
} from '../src/index.ts';
import { keyUsages } from '../src/kerberos/crypto/key-usages.ts';
import { useKey } from '../src/kerberos/crypto/profiles.ts';
import { frameToken, readToken } from '../src/kerberos/gss/framing.ts';
import { type Authenticator, apReq, authenticator } from '../src/kerberos/messages/ap-messages.ts';
import { authorizationData } from '../src/kerberos/messages/authorization-data.ts';
import { krbError } from '../src/kerberos/messages/krb-error.ts';
import { type EncTicketPart, encTicketPart, ticket as ticketCodec } from '../src/kerberos/messages/ticket.ts';
import { realm, sealTicket, start, type TestKdc, ticketFor } from '../src/testing/index.ts';
import { testKdc } from './kerberos-support.ts';
import { admin, caught, testEnvironment } from './support.ts';

const kdc = testKdc();
const ticket = ticketFor(kdc, 'HTTP/files.example', testEnvironment(3));
const keytab = kdc.keytab('HTTP/files.example', 'host/files.example');
const account: AuthenticatedAccount = { name: admin.name, userSid: admin.userSid, groupSids: admin.groupSids };
const accounts = (user: string, where: string) => (user === 'admin' && where === realm ? account : undefined);
const binding = new TextEncoder().encode('tls-server-end-point:0123456789abcdef');
const otherBinding = new TextEncoder().encode('tls-server-end-point:fedcba9876543210');

function acceptorWith(
  changes: Partial<KerberosServiceOptions> = {},
  more: Partial<KerberosAcceptorOptions> = {},
): KerberosContext {
  const service = createKerberosService({ keytab, accounts, environment: testEnvironment(1), ...changes });
  return createKerberosAcceptor({ service, ...more });
}

function initiatorWith(changes: Partial<KerberosInitiatorOptions> = {}): KerberosContext {
  return createKerberosInitiator({ ticket, environment: testEnvironment(2), ...changes });
}

/** Runs the exchange until nobody has anything to say. */
function exchange(initiator: KerberosContext, acceptor: KerberosContext): number {
  let tokens = 0;
  let token = initiator.step();
  while (token !== undefined) {
    tokens++;
    const answer = acceptor.step(token);
    if (answer === undefined) break;
    tokens++;
    token = initiator.step(answer);
  }
  return tokens;
}

const text = new TextEncoder().encode('Plaintext');
const flip =
  (offset: number) =>
  (octets: Uint8Array): Uint8Array =>
    octets.with(offset, octets.at(offset)! ^ 1) as Uint8Array;

describe('initiator and acceptor', () => {
  test('with mutual authentication', () => {
    const [initiator, acceptor] = [initiatorWith(), acceptorWith()];
    expect(exchange(initiator, acceptor)).toBe(2);
    expect([initiator.complete, acceptor.complete]).toEqual([true, true]);
    expect(acceptor.peer).toEqual(account);
    expect([acceptor.claimedName, initiator.peer]).toEqual([`admin@${realm}`, undefined]);
    expect(initiator.sessionKey).toEqual(acceptor.sessionKey);
    expect(initiator.sessionKey).not.toEqual(ticket.sessionKey.value);
  });

  test('in DCE style there are three legs, without frames', () => {
    const [initiator, acceptor] = [initiatorWith({ dceStyle: true }), acceptorWith()];
    const request = initiator.step()!;
    const reply = acceptor.step(request)!;
    expect([request[0], reply[0], acceptor.complete, acceptor.peer]).toEqual([0x6e, 0x6f, false, undefined]);
    const third = initiator.step(reply)!;
    expect(third[0]).toBe(0x6f);
    expect(acceptor.step(third)).toBeUndefined();
    expect([initiator.complete, acceptor.complete, acceptor.peer?.name]).toEqual([true, true, account.name]);
  });

  test.each([17, 18, 19, 20])('with keys of type %i', (etype) => {
    const other = testKdc({ etypes: [etype] });
    const initiator = initiatorWith({ ticket: ticketFor(other, 'HTTP/files.example', testEnvironment(3)) });
    const acceptor = acceptorWith({ keytab: other.keytab('HTTP/files.example') });
    exchange(initiator, acceptor);
    const sealed = initiator.wrap(text);
    const checksum = { 17: 12, 18: 12, 19: 16, 20: 24 }[etype]!;
    expect(sealed.header).toHaveLength(48 + checksum);
    expect(acceptor.unwrap(sealed)).toEqual(text);
  });

  test.each([
    ['HTTP/FILES.EXAMPLE', true],
    ['host/files.example', true],
    ['cifs/files.example', false],
  ])('a ticket for %s: %s', (name, taken) => {
    const spelled = testKdc({ passwords: { 'HTTP/FILES.EXAMPLE': 'http service' }, salt: 'same' });
    const acceptor = acceptorWith({
      keytab: spelled.keytab('HTTP/files.example', 'host/files.example', 'cifs/files.example'),
    });
    const initiator = initiatorWith({ ticket: ticketFor(spelled, name, testEnvironment(3)) });
    if (taken) expect(exchange(initiator, acceptor)).toBe(2);
    else expect(() => exchange(initiator, acceptor)).toThrow(/another service/);
  });

  test('without mutual authentication there is no answer, and the peer’s sequence numbers count for both', () => {
    const acceptor = acceptorWith();
    const request = decodeDer(apReq, readToken(initiatorWith().step()!).message);
    expect(acceptor.step(frameToken('ap-req', encodeDer(apReq, { ...request, apOptions: 0 })))).toBeUndefined();
    expect([acceptor.complete, acceptor.peer]).toEqual([true, account]);
    expect(acceptor.sign(text)[2]).toBe(1);
  });

  test('a changed key table counts at once', () => {
    let keys = keytab.slice(0, 0);
    const service = createKerberosService({ keytab: () => keys, accounts, environment: testEnvironment(1) });
    expect(() => exchange(initiatorWith(), createKerberosAcceptor({ service }))).toThrow(/no key/);
    keys = [...keytab];
    expect(exchange(initiatorWith(), createKerberosAcceptor({ service }))).toBe(2);
  });

  test.each([1, 2, 3])('key version %i', (kvno) => {
    const old = keytab.map((entry) => ({ ...entry, kvno }));
    if (kvno === 3) expect(exchange(initiatorWith(), acceptorWith({ keytab: old }))).toBe(2);
    else expect(() => exchange(initiatorWith(), acceptorWith({ keytab: old }))).toThrow(/no key for the service/);
  });

  test('turns are kept', () => {
    expect(() => initiatorWith().step(text)).toThrow(/before the first one/);
    const initiator = initiatorWith();
    initiator.step();
    expect(() => initiator.step()).toThrow(/no token/);
    expect(() => initiator.step(text)).toThrow(/over/);
    const acceptor = acceptorWith();
    expect(() => acceptor.step()).toThrow(/missing/);
    expect(() => acceptor.step(initiatorWith().step())).toThrow(/over/);
  });

  test('a KRB-ERROR in place of the answer', () => {
    const initiator = initiatorWith();
    initiator.step();
    const sname = { nameType: 2, nameString: ['HTTP', 'files.example'] };
    const error = encodeDer(krbError, { stime: start, susec: 0, errorCode: 37, realm, sname });
    expect(caught(() => initiator.step(frameToken('error', error)))).toMatchObject({
      code: 'auth/failed',
      context: { name: 'KRB_AP_ERR_SKEW' },
    });
  });
});

describe('tampering', () => {
  const serviceKey = keytab[0]!.key;
  const random = testEnvironment(40).randomBytes;

  /** The AP-REQ made anew with another authenticator, by somebody who knows the session key. */
  const withAuthenticator =
    (change: (statement: Authenticator) => Authenticator) =>
    (token: Uint8Array): Uint8Array => {
      const request = decodeDer(apReq, readToken(token).message);
      const { sessionKey } = ticket;
      const use = useKey(sessionKey, keyUsages.requestAuthenticator);
      const statement = change(decodeDer(authenticator, use.decrypt(request.authenticator.cipher)));
      const cipher = use.encrypt(encodeDer(authenticator, statement), random(16));
      return frameToken('ap-req', encodeDer(apReq, { ...request, authenticator: { etype: sessionKey.etype, cipher } }));
    };

  /** The ticket made anew, by somebody who knows the service's key. */
  const withTicket =
    (change: (part: EncTicketPart) => EncTicketPart, key = serviceKey) =>
    (token: Uint8Array): Uint8Array => {
      const request = decodeDer(apReq, readToken(token).message);
      const { encPart, sname } = decodeDer(ticketCodec, request.ticket);
      const part = decodeDer(encTicketPart, useKey(serviceKey, keyUsages.ticket).decrypt(encPart.cipher));
      return frameToken(
        'ap-req',
        encodeDer(apReq, { ...request, ticket: sealTicket(key, realm, sname, change(part), random) }),
      );
    };

  const wrongKey = testKdc({ passwords: { 'HTTP/files.example': 'other' } }).keytab('HTTP/files.example');

  test.each<[string, (token: Uint8Array) => Uint8Array, string]>([
    ['nothing', (token) => token, ''],
    ['nothing, made anew', withTicket((part) => part), ''],
    ['the authenticator', flip(-1), 'auth/failed'],
    ['the ticket’s end', (token) => alterTicket(token), 'auth/failed'],
    ['a ticket under another key', withTicket((part) => part, wrongKey[0]!.key), 'auth/failed'],
    ['a ticket that has ended', withTicket((part) => ({ ...part, endtime: start - 301_000 })), 'auth/policy'],
    ['a ticket that ended four minutes ago', withTicket((part) => ({ ...part, endtime: start - 240_000 })), ''],
    ['a ticket for later', withTicket((part) => ({ ...part, starttime: start + 301_000 })), 'auth/policy'],
    ['an invalid ticket', withTicket((part) => ({ ...part, flags: 0x0100_0000 })), 'auth/policy'],
    ['an unknown client', withTicket((part) => ({ ...part, cname: parsePrincipal('eve', realm).name })), 'auth/policy'],
    ['a client of another realm', withTicket((part) => ({ ...part, crealm: 'EVE.TEST' })), 'auth/policy'],
    [
      'another session key',
      withTicket((part) => ({ ...part, key: { keytype: 20, keyvalue: random(32) } })),
      'auth/failed',
    ],
    [
      'an old session key',
      withTicket((part) => ({ ...part, key: { keytype: 23, keyvalue: random(16) } })),
      'auth/policy',
    ],
    [
      'the authenticator’s client',
      withAuthenticator((a) => ({ ...a, cname: parsePrincipal('eve', realm).name })),
      'auth/policy',
    ],
    ['a clock four minutes early', withAuthenticator((a) => ({ ...a, ctime: start - 240_000 })), ''],
    ['a clock six minutes early', withAuthenticator((a) => ({ ...a, ctime: start - 360_000 })), 'auth/policy'],
    ['a clock six minutes late', withAuthenticator((a) => ({ ...a, ctime: start + 360_000 })), 'auth/policy'],
    ['no checksum', withAuthenticator((a) => ({ ...a, cksum: undefined })), 'auth/policy'],
    ['another checksum', withAuthenticator((a) => ({ ...a, cksum: { ...a.cksum!, cksumtype: 7 } })), 'auth/policy'],
    [
      'a short checksum',
      withAuthenticator((a) => ({ ...a, cksum: { ...a.cksum!, checksum: new Uint8Array(23) } })),
      'auth/protocol',
    ],
    [
      'a subkey of an old type',
      withAuthenticator((a) => ({ ...a, subkey: { keytype: 23, keyvalue: random(16) } })),
      'auth/policy',
    ],
    ['no subkey', withAuthenticator((a) => ({ ...a, subkey: undefined })), ''],
    ['user to user', (token) => alterRequest(token, { apOptions: 0x4000_0000 }), 'auth/policy'],
    ['another message', (token) => frameToken('ap-rep', readToken(token).message), 'auth/protocol'],
    ['another mechanism', (token) => token.with(5, 0x2b) as Uint8Array, 'auth/protocol'],
    ['a message cut short', (token) => token.subarray(0, -1), 'auth/protocol'],
  ])('%s', (_, tamper, code) => {
    const acceptor = acceptorWith();
    const token = tamper(initiatorWith().step()!);
    if (code === '') {
      acceptor.step(token);
      expect(acceptor.complete).toBe(true);
      return;
    }
    expect(caught(() => acceptor.step(token))).toMatchObject({ code });
    expect([acceptor.complete, acceptor.peer]).toEqual([false, undefined]);
    expect(() => acceptor.step(token)).toThrow(/over/);
  });

  function alterTicket(token: Uint8Array): Uint8Array {
    const request = decodeDer(apReq, readToken(token).message);
    const { encPart, ...rest } = decodeDer(ticketCodec, request.ticket);
    return alterRequest(token, {
      ticket: encodeDer(ticketCodec, { ...rest, encPart: { ...encPart, cipher: flip(40)(encPart.cipher) } }),
    });
  }

  function alterRequest(token: Uint8Array, changes: object): Uint8Array {
    return frameToken('ap-req', encodeDer(apReq, { ...decodeDer(apReq, readToken(token).message), ...changes }));
  }

  test('an AP-REQ serves once, for all acceptors of a service', () => {
    const service = createKerberosService({ keytab, accounts, environment: testEnvironment(1) });
    const token = initiatorWith().step()!;
    createKerberosAcceptor({ service }).step(token);
    expect(() => createKerberosAcceptor({ service }).step(token)).toThrow(/seen before/);
  });

  test.each([
    ['none stated', undefined, false, ''],
    ['none stated, required', undefined, true, 'channel binding is missing'],
    ['right', binding, true, ''],
    ['wrong', otherBinding, false, 'another connection'],
    ['wrong, required', otherBinding, true, 'another connection'],
  ])('channel binding: %s', (_, channelBinding, requireChannelBinding, message) => {
    const acceptor = acceptorWith({}, { channelBinding: binding, requireChannelBinding });
    const run = () => exchange(initiatorWith({ channelBinding }), acceptor);
    if (message === '') expect(run()).toBe(2);
    else expect(caught(run)).toMatchObject({ code: 'auth/policy', message: expect.stringContaining(message) });
  });

  test('who says that he always states a binding is held to it', () => {
    const options = encodeDer(authorizationData, [{ adType: 143, adData: Uint8Array.of(0, 0x40, 0, 0) }]);
    const authorization = [{ adType: 1, adData: options }];
    const token = withAuthenticator((a) => ({ ...a, authorizationData: authorization }))(initiatorWith().step()!);
    expect(() => acceptorWith({}, { channelBinding: binding }).step(token)).toThrow(/binding is missing/);
    const plain = acceptorWith();
    plain.step(token);
    expect(plain.complete).toBe(true);
  });

  test('a binding cannot be required where there is none', () => {
    expect(() => acceptorWith({}, { requireChannelBinding: true })).toThrow(/this listener has none/);
  });

  test('who has no account is refused', () => {
    const acceptor = acceptorWith({ accounts: () => undefined });
    expect(caught(() => exchange(initiatorWith(), acceptor))).toMatchObject({ code: 'auth/failed', kind: 'refused' });
    expect(acceptor.claimedName).toBe(`admin@${realm}`);
  });

  test('a server without the key cannot answer', () => {
    const initiator = initiatorWith();
    initiator.step();
    const other = acceptorWith();
    const reply = other.step(
      createKerberosInitiator({ ticket: anotherTicket(), environment: testEnvironment(9) }).step(),
    )!;
    expect(caught(() => initiator.step(reply))).toMatchObject({ code: 'auth/failed' });
  });

  test('an answer to another request is refused', () => {
    const [initiator, again] = [initiatorWith(), initiatorWith({ environment: testEnvironment(4, start + 1000) })];
    initiator.step();
    const reply = acceptorWith().step(again.step())!;
    expect(caught(() => initiator.step(reply))).toMatchObject({ code: 'auth/failed' });
  });

  test('DCE style: the third leg must repeat the sequence number, under the session key', () => {
    const legs = (changes: Partial<KerberosInitiatorOptions> = {}) => {
      const initiator = initiatorWith({ dceStyle: true, ...changes });
      const acceptor = acceptorWith({ environment: testEnvironment(changes.environment === undefined ? 1 : 20) });
      return { acceptor, third: initiator.step(acceptor.step(initiator.step()!)!)! };
    };
    const [first, second] = [legs(), legs({ environment: testEnvironment(30) })];
    expect(caught(() => first.acceptor.step(second.third))).toMatchObject({ code: 'auth/failed' });
    const third = legs();
    expect(caught(() => third.acceptor.step(flip(-1)(third.third)))).toMatchObject({ code: 'auth/failed' });
    expect(third.acceptor.complete).toBe(false);
  });

  test('no session key of an old type', () => {
    const old: ServiceTicket = { ...ticket, sessionKey: { etype: 23, value: new Uint8Array(16) } };
    expect(() => initiatorWith({ ticket: old }).step()).toThrow(expect.objectContaining({ code: 'auth/policy' }));
  });

  test('tickets with rc4-hmac are taken only where that is configured', () => {
    const old = testKdc({ etypes: [23] });
    const { part, octets } = rc4Ticket(old);
    const session = { ...ticket, ticket: octets, sessionKey: { etype: 18, value: part.key.keyvalue } };
    const run = (allowRc4: boolean) =>
      exchange(
        initiatorWith({ ticket: session }),
        acceptorWith({ keytab: old.keytab('HTTP/files.example'), allowRc4 }),
      );
    expect(() => run(false)).toThrow(/not allowed/);
    expect(run(true)).toBe(2);
  });

  function rc4Ticket(old: TestKdc) {
    const { encPart, sname } = decodeDer(ticketCodec, ticket.ticket);
    const plain = useKey(serviceKey, keyUsages.ticket).decrypt(encPart.cipher);
    const part = { ...decodeDer(encTicketPart, plain), key: { keytype: 18, keyvalue: random(32) } };
    return { part, octets: sealTicket(old.key('HTTP/files.example', 23), realm, sname, part, random) };
  }

  function anotherTicket(): ServiceTicket {
    return ticketFor(testKdc(), 'host/files.example', testEnvironment(50));
  }
});

describe('the replay cache', () => {
  const octets = (value: number) => Uint8Array.of(value);

  test('forgets what is over, and refuses rather than forget the rest', () => {
    const cache = createReplayCache({ capacity: 3, capacityPerClient: 2 });
    expect(cache.add('a', octets(1), 0, 10)).toBe(true);
    expect(cache.add('a', octets(1), 5, 10)).toBe(false);
    expect(cache.add('a', octets(2), 5, 15)).toBe(true);
    expect(() => cache.add('a', octets(3), 5, 15)).toThrow(expect.objectContaining({ code: 'auth/throttled' }));
    expect(cache.add('b', octets(3), 5, 15)).toBe(true);
    expect(() => cache.add('c', octets(4), 10, 20)).toThrow(expect.objectContaining({ code: 'auth/throttled' }));
    expect(cache.add('c', octets(4), 11, 20)).toBe(true);
    expect(cache.add('a', octets(1), 16, 20)).toBe(true);
    expect(cache.add('a', octets(4), 16, 20)).toBe(false);
  });
});

describe('protection', () => {
  const ready = (changes: Partial<KerberosInitiatorOptions> = {}) => {
    const [client, server] = [initiatorWith(changes), acceptorWith()];
    exchange(client, server);
    return { client, server };
  };

  test.each([
    [false, 72, 0, 40],
    [true, 88, 16, 40],
  ])('a sealed message, DCE style: %s', (dceStyle, length, ec, rrc) => {
    const { client, server } = ready({ dceStyle });
    const sealed = client.wrap(text);
    const view = new DataView(sealed.header.buffer, sealed.header.byteOffset);
    // etype 20 has a checksum of 24 octets.
    expect([sealed.header.length, sealed.data.length]).toEqual([length, text.length]);
    expect([view.getUint16(0), view.getUint8(2), view.getUint16(4), view.getUint16(6)]).toEqual([0x0504, 6, ec, rrc]);
    expect(sealed.data).not.toEqual(text);
    expect(server.unwrap(sealed)).toEqual(text);
    expect(client.unwrap(server.wrap(new Uint8Array(0)))).toHaveLength(0);
  });

  test('AES with SHA-1 in DCE style: 76 octets, EC 16, RRC 28; MICs have 28', () => {
    const old = testKdc({ etypes: [18] });
    const client = initiatorWith({ ticket: ticketFor(old, 'HTTP/files.example', testEnvironment(3)), dceStyle: true });
    const server = acceptorWith({ keytab: old.keytab('HTTP/files.example') });
    exchange(client, server);
    expect([client.pduTokenLength('privacy'), client.pduTokenLength('integrity')]).toEqual([76, 28]);
    const { token } = server.sealPdu({ header: text, body: text, trailer: text, headerSigning: true });
    const view = new DataView(token.buffer, token.byteOffset);
    expect([token.length, view.getUint8(2), view.getUint16(4), view.getUint16(6)]).toEqual([76, 7, 16, 28]);
    expect([...client.sign(text).subarray(0, 8)]).toEqual([4, 4, 4, 255, 255, 255, 255, 255]);
  });

  test('whether the rotation counts the filler makes no difference', () => {
    const { client, server } = ready({ dceStyle: true });
    const sealed = client.wrap(text);
    new DataView(sealed.header.buffer, sealed.header.byteOffset).setUint16(6, 56);
    expect(server.unwrap(sealed)).toEqual(text);
  });

  test.each([0, 1, 16, 40, 1000])('whole tokens, rotated by %i', (rotation) => {
    const { client, server } = ready();
    const token = client.wrapToken(text);
    const rest = token.subarray(16);
    const by = rotation % rest.length;
    const rotated = concatBytes(
      token.subarray(0, 16),
      rest.subarray(rest.length - by),
      rest.subarray(0, rest.length - by),
    );
    new DataView(rotated.buffer).setUint16(6, rotation);
    expect(server.unwrapToken(rotated)).toEqual(text);
  });

  test.each([true, false])('PDUs, header signing: %s', (headerSigning) => {
    for (const dceStyle of [true, false]) {
      const { client, server } = ready({ dceStyle });
      const pdu = { header: Uint8Array.of(1, 2), body: text, trailer: Uint8Array.of(3), headerSigning };
      const { body, token } = client.sealPdu(pdu);
      expect(token).toHaveLength(client.pduTokenLength('privacy'));
      expect(body).toHaveLength(text.length);
      expect(server.openPdu({ ...pdu, body }, token)).toEqual(text);
      server.verifyPdu(pdu, client.signPdu(pdu));
      client.verifyPdu(pdu, server.signPdu(pdu));
      const again = server.sealPdu(pdu);
      const changed = { ...pdu, header: flip(0)(pdu.header), body: again.body };
      if (headerSigning) expect(() => client.openPdu(changed, again.token)).toThrow(/signature|integrity/);
      else expect(client.openPdu(changed, again.token)).toEqual(text);
    }
  });

  test.each<[string, (client: KerberosContext, server: KerberosContext) => void]>([
    [
      'changed data',
      (client, server) => {
        const sealed = client.wrap(text);
        server.unwrap({ ...sealed, data: flip(0)(sealed.data) });
      },
    ],
    [
      'a changed header',
      (client, server) => {
        const sealed = client.wrap(text);
        server.unwrap({ ...sealed, header: flip(-1)(sealed.header) });
      },
    ],
    [
      'a changed rotation',
      (client, server) => {
        const sealed = client.wrap(text);
        server.unwrap({ ...sealed, header: flip(7)(sealed.header) });
      },
    ],
    ['a short header', (client, server) => void server.unwrap({ ...client.wrap(text), header: new Uint8Array(3) })],
    [
      'a header of 40 octets',
      (client, server) => void server.unwrap({ ...client.wrap(text), header: new Uint8Array(40) }),
    ],
    ['a short token', (client, server) => void server.unwrapToken(client.wrapToken(text).subarray(0, 16))],
    [
      'a token cut in its checksum',
      (client, server) => void server.unwrapToken(client.wrapToken(text).subarray(0, 50)),
    ],
    ['a message that is only signed', (client, server) => void server.unwrapToken(client.sign(text))],
    [
      'replay',
      (client, server) => {
        const sealed = client.wrap(text);
        server.unwrap(sealed);
        server.unwrap(sealed);
      },
    ],
    [
      'a lost message',
      (client, server) => {
        client.wrap(text);
        server.unwrap(client.wrap(text));
      },
    ],
    ['reflection', (client) => void client.unwrap(client.wrap(text))],
    ['changed signed octets', (client, server) => server.verify(flip(0)(text), client.sign(text))],
    ['a short signature', (client, server) => server.verify(text, client.sign(text).subarray(1))],
  ])('%s is noticed, and the context is unusable then', (_, attack) => {
    const { client, server } = ready();
    expect(() => attack(client, server)).toThrow(
      expect.objectContaining({ code: 'auth/bad-signature', kind: 'remote' }),
    );
    const broken = client.complete ? server : client;
    expect(broken.complete).toBe(false);
    expect(() => broken.sign(text)).toThrow(expect.objectContaining({ code: 'auth/required' }));
  });

  test('nothing is protected before the exchange is complete', () => {
    for (const context of [initiatorWith(), acceptorWith()]) {
      expect(() => context.sign(text)).toThrow(expect.objectContaining({ code: 'auth/required' }));
      expect(() => context.wrap(text)).toThrow(expect.objectContaining({ code: 'auth/required' }));
      expect(() => context.sessionKey).toThrow(expect.objectContaining({ code: 'auth/required' }));
    }
  });
});

describe('property', () => {
  const remote = (action: () => unknown) => {
    try {
      action();
    } catch (error) {
      if (!isCarmineError(error)) throw error;
      expect(['remote', 'refused']).toContain(error.kind);
    }
  };

  test('any octets in place of any token fail as the peer’s fault or its refusal', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.constantFrom(0, 1, 2), (octets, shape) => {
        const input = shape === 0 ? octets : shape === 1 ? frameToken('ap-req', octets) : frameToken('ap-rep', octets);
        const acceptor = acceptorWith();
        remote(() => acceptor.step(input));
        const initiator = initiatorWith();
        initiator.step();
        remote(() => initiator.step(input));
        expect([acceptor.complete, initiator.complete]).toEqual([false, false]);
      }),
      { numRuns: 200 },
    );
  });

  test('one octet changed anywhere in the request never changes who it is', () => {
    const request = initiatorWith().step()!;
    fc.assert(
      fc.property(fc.nat({ max: request.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const acceptor = acceptorWith();
        remote(() => acceptor.step(request.with(at, request[at]! ^ change) as Uint8Array));
        // Outside of what is encrypted there are names and options; what lets in is encrypted.
        if (acceptor.complete) expect(acceptor.peer).toEqual(account);
      }),
      { numRuns: 300 },
    );
  });

  test('one octet changed anywhere in the answer is noticed, or makes no difference', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), (position, change) => {
        const [initiator, acceptor] = [initiatorWith(), acceptorWith()];
        const reply = acceptor.step(initiator.step()!)!;
        const at = position % reply.length;
        remote(() => initiator.step(reply.with(at, reply[at]! ^ change) as Uint8Array));
        if (initiator.complete) expect(initiator.sessionKey).toEqual(acceptor.sessionKey);
      }),
      { numRuns: 150 },
    );
  });
});
