import { describe, expect, test } from 'vitest';
import {
  createHttpAcceptor,
  createHttpInitiator,
  createKerberosService,
  createSpnegoAcceptor,
  createSpnegoInitiator,
  type HttpAcceptor,
  type HttpAcceptorOptions,
  type HttpInitiator,
  type HttpInitiatorOptions,
  type KerberosService,
  kerberosAcceptorMechanism,
  kerberosInitiatorMechanism,
  ntlmAcceptorMechanism,
  ntlmInitiatorMechanism,
  type SpnegoContext,
  type SpnegoInitiator,
} from '../src/index.ts';
import { decodeNegTokenInit } from '../src/spnego/tokens.ts';
import { realm, ticketFor } from '../src/testing/index.ts';
import { testKdc } from './kerberos-support.ts';
import { admin, caught, oneAccount, testEnvironment } from './support.ts';

const kdc = testKdc();
const ticket = ticketFor(kdc, 'HTTP/files.example', testEnvironment(3));
const kerberosName = `${realm}\\admin`;
const credentials = { user: 'admin', password: 'Pässw0rd' };
const binding = new TextEncoder().encode('tls-server-end-point:0123456789abcdef0123456789abcdef');
const text = new TextEncoder().encode('Plaintext');

function service(): KerberosService {
  return createKerberosService({
    keytab: kdc.keytab('HTTP/files.example'),
    environment: testEnvironment(1),
    accounts: (user, where) => ({ name: `${where}\\${user}`, userSid: admin.userSid, groupSids: admin.groupSids }),
  });
}

const ntlmAcceptor = () =>
  ntlmAcceptorMechanism({ accounts: oneAccount, environment: testEnvironment(1), hostName: 'files.example' });
const ntlmInitiator = () => ntlmInitiatorMechanism({ credentials, environment: testEnvironment(2) });
const kerberosInitiator = (dceStyle = false) =>
  kerberosInitiatorMechanism({ ticket, environment: testEnvironment(2), dceStyle });

/** Runs the exchange; returns the number of tokens. */
function negotiate(initiator: SpnegoInitiator, acceptor: SpnegoContext): number {
  let token = initiator.step();
  for (let count = 1; ; count++) {
    const answer = acceptor.step(token!);
    if (answer === undefined) return count;
    count++;
    token = initiator.step(answer);
    if (token === undefined) return count;
  }
}

describe('SPNEGO', () => {
  test.each([
    [false, 2],
    [true, 4],
  ])('takes Kerberos at once; DCE style: %s', (dceStyle, tokens) => {
    const initiator = createSpnegoInitiator({ mechanisms: [kerberosInitiator(dceStyle), ntlmInitiator()] });
    const acceptor = createSpnegoAcceptor({
      mechanisms: [kerberosAcceptorMechanism({ service: service() }), ntlmAcceptor()],
    });
    expect(negotiate(initiator, acceptor)).toBe(tokens);
    expect([initiator.complete, acceptor.complete, acceptor.chosen]).toEqual([true, true, 'kerberos']);
    expect([acceptor.peer?.name, acceptor.claimedName]).toEqual([kerberosName, `admin@${realm}`]);
    const pdu = { header: text, body: text, trailer: text, headerSigning: true };
    const { body, token } = initiator.sealPdu(pdu);
    expect(acceptor.openPdu({ ...pdu, body }, token)).toEqual(text);
    expect(initiator.unwrap(acceptor.wrap(text))).toEqual(text);
  });

  test('names Windows’ number first, then the standard’s, then NTLM', () => {
    const initiator = createSpnegoInitiator({ mechanisms: [kerberosInitiator(), ntlmInitiator()] });
    expect(decodeNegTokenInit(initiator.step()!).mechTypes).toEqual([
      '1.2.840.48018.1.2.2',
      '1.2.840.113554.1.2.2',
      '1.3.6.1.4.1.311.2.2.10',
    ]);
  });

  test('falls back to NTLM where the server has no Kerberos, with the MIC', () => {
    const initiator = createSpnegoInitiator({ mechanisms: [kerberosInitiator(), ntlmInitiator()] });
    const acceptor = createSpnegoAcceptor({ mechanisms: [ntlmAcceptor()] });
    expect(negotiate(initiator, acceptor)).toBe(6);
    expect([acceptor.chosen, acceptor.peer?.name, initiator.complete]).toEqual(['ntlm', admin.name, true]);
  });

  test('a server that prefers NTLM still takes the client’s first choice, and the other way round the MIC is there', () => {
    const acceptor = () =>
      createSpnegoAcceptor({ mechanisms: [ntlmAcceptor(), kerberosAcceptorMechanism({ service: service() })] });
    const kerberosFirst = acceptor();
    negotiate(createSpnegoInitiator({ mechanisms: [kerberosInitiator(), ntlmInitiator()] }), kerberosFirst);
    expect(kerberosFirst.chosen).toBe('kerberos');
    const onlySecond = createSpnegoAcceptor({ mechanisms: [kerberosAcceptorMechanism({ service: service() })] });
    negotiate(createSpnegoInitiator({ mechanisms: [ntlmInitiator(), kerberosInitiator()] }), onlySecond);
    expect([onlySecond.chosen, onlySecond.complete]).toEqual(['kerberos', true]);
  });

  test('a raw Kerberos token is taken in place of SPNEGO', () => {
    const acceptor = createSpnegoAcceptor({ mechanisms: [kerberosAcceptorMechanism({ service: service() })] });
    const initiator = kerberosInitiator().create();
    initiator.step(acceptor.step(initiator.step()!));
    expect([initiator.complete, acceptor.complete]).toEqual([true, true]);
  });
});

function acceptorWith(changes: Partial<HttpAcceptorOptions> = {}): HttpAcceptor {
  return createHttpAcceptor({
    schemes: ['negotiate', 'kerberos', 'ntlm'],
    accounts: oneAccount,
    kerberos: service(),
    environment: testEnvironment(1),
    hostName: 'files.example',
    realm: 'WSMAN',
    source: '192.0.2.7',
    secureTransport: false,
    ...changes,
  });
}

function initiatorWith(changes: Partial<HttpInitiatorOptions> = {}): HttpInitiator {
  return createHttpInitiator({
    kerberos: { ticket },
    schemes: ['negotiate', 'kerberos', 'ntlm', 'basic'],
    environment: testEnvironment(2),
    host: 'files.example',
    service: 'HTTP',
    secureTransport: false,
    ...changes,
  });
}

/** Requests and answers until a 200; returns the number of 401 answers. */
function run(initiator: HttpInitiator, acceptor: HttpAcceptor): number {
  let authorization = initiator.initial();
  for (let refusals = 0; ; refusals++) {
    const outcome = acceptor.authenticate(authorization);
    if (outcome.kind === 'accepted') {
      initiator.finish(outcome.responseHeader === undefined ? [] : [outcome.responseHeader]);
      return refusals;
    }
    authorization = initiator.next(outcome.headers);
  }
}

describe('HTTP', () => {
  test.each(['negotiate', 'kerberos'] as const)('%s: one round, then sealed messages', (scheme) => {
    const [initiator, acceptor] = [initiatorWith({ schemes: [scheme] }), acceptorWith()];
    expect(run(initiator, acceptor)).toBe(1);
    expect(acceptor.authenticate(undefined)).toMatchObject({
      kind: 'accepted',
      token: { name: kerberosName, scheme: 'kerberos', source: '192.0.2.7' },
    });
    const [client, server] = [initiator.context!, acceptor.context!];
    for (let i = 0; i < 3; i++) {
      expect(server.unwrap(client.wrap(text))).toEqual(text);
      expect(client.unwrap(server.wrap(text))).toEqual(text);
    }
    expect(client.mechanism).toBe(scheme === 'negotiate' ? 'spnego' : 'kerberos');
  });

  test('what is offered depends on what there is', () => {
    const offered = (changes: Partial<HttpAcceptorOptions>) => {
      const outcome = acceptorWith(changes).authenticate(undefined);
      return outcome.kind === 'challenge' ? outcome.headers : [];
    };
    expect(offered({})).toEqual(['Negotiate', 'Kerberos', 'NTLM']);
    expect(offered({ kerberos: undefined })).toEqual(['Negotiate', 'NTLM']);
  });

  test('Negotiate without Kerberos on the other side is NTLM', () => {
    const [initiator, acceptor] = [initiatorWith({ credentials }), acceptorWith({ kerberos: undefined })];
    expect(run(initiator, acceptor)).toBe(3);
    expect(acceptor.authenticate(undefined)).toMatchObject({ token: { name: admin.name, scheme: 'ntlm' } });
  });

  test('a ticket alone does not do for servers without Kerberos', () => {
    const acceptor = acceptorWith({ kerberos: undefined });
    expect(caught(() => run(initiatorWith(), acceptor))).toMatchObject({ kind: 'refused' });
    expect(caught(() => run(initiatorWith({ kerberos: undefined }), acceptorWith()))).toMatchObject({
      code: 'auth/no-common-mechanism',
    });
  });

  test.each([
    ['right', binding, ''],
    ['wrong', binding.map((octet) => octet ^ 1), 'auth/failed'],
    ['missing', undefined, 'auth/failed'],
  ])('the channel binding over TLS: %s', (_, stated, code) => {
    const acceptor = acceptorWith({ secureTransport: true, channelBinding: binding, requireChannelBinding: true });
    const initiator = initiatorWith({ secureTransport: true, channelBinding: () => stated });
    if (code === '') expect(run(initiator, acceptor)).toBe(1);
    else expect(caught(() => run(initiator, acceptor))).toMatchObject({ code });
  });

  test('a recorded request lets nobody in', () => {
    const shared = service();
    const recorded = initiatorWith().next(['Negotiate']);
    expect(acceptorWith({ kerberos: shared }).authenticate(recorded).kind).toBe('accepted');
    const outcome = acceptorWith({ kerberos: shared }).authenticate(recorded);
    expect(outcome).toMatchObject({ kind: 'challenge', attempted: `admin@${realm}` });
  });

  test('a server that does not prove itself is not believed', () => {
    for (const scheme of ['negotiate', 'kerberos'] as const) {
      const initiator = initiatorWith({ schemes: [scheme] });
      acceptorWith().authenticate(initiator.next([scheme]));
      expect(caught(() => initiator.finish([]))).toMatchObject({ code: 'auth/protocol' });
      expect(initiator.complete).toBe(false);
    }
  });

  test('a new request drops the old identity', () => {
    const acceptor = acceptorWith();
    run(initiatorWith(), acceptor);
    expect(acceptor.authenticate('Kerberos AAAA').kind).toBe('challenge');
    expect(acceptor.authenticate(undefined).kind).toBe('challenge');
    expect(run(initiatorWith({ schemes: ['kerberos'], environment: testEnvironment(9) }), acceptor)).toBe(1);
  });
});
