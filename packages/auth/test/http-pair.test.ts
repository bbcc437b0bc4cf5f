import { describe, expect, test } from 'vitest';
import {
  createHttpAcceptor,
  createHttpInitiator,
  type HttpAcceptor,
  type HttpAcceptorOptions,
  type HttpInitiator,
  type HttpInitiatorOptions,
  type HttpScheme,
} from '../src/index.ts';
import { oneAccount, testEnvironment } from './support.ts';

const binding = new TextEncoder().encode('tls-server-end-point:0123456789abcdef0123456789abcdef');

function acceptorWith(changes: Partial<HttpAcceptorOptions> = {}): HttpAcceptor {
  return createHttpAcceptor({
    schemes: ['negotiate', 'ntlm', 'basic'],
    accounts: oneAccount,
    environment: testEnvironment(1),
    hostName: 'files.example',
    realm: 'WSMAN',
    source: '192.0.2.7',
    secureTransport: true,
    ...changes,
  });
}

function initiatorWith(changes: Partial<HttpInitiatorOptions> = {}): HttpInitiator {
  return createHttpInitiator({
    credentials: { user: 'FILES\\Admin', password: 'Pässw0rd' },
    schemes: ['negotiate', 'ntlm', 'basic'],
    environment: testEnvironment(2),
    host: 'files.example',
    service: 'HTTP',
    secureTransport: true,
    ...changes,
  });
}

/** Requests and answers in memory until a 200 or until the initiator gives up; returns the number of 401 answers. */
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

describe('a client and a server in memory', () => {
  test.each([
    ['negotiate', 2, 'ntlm'],
    ['ntlm', 2, 'ntlm'],
    ['basic', 0, 'basic'],
  ] as const)('%s', (scheme, refusals, tokenScheme) => {
    const acceptor = acceptorWith();
    const initiator = initiatorWith({ schemes: [scheme] });
    expect(run(initiator, acceptor)).toBe(refusals);
    expect(initiator.complete).toBe(true);
    const outcome = acceptor.authenticate(scheme === 'basic' ? initiator.initial() : undefined);
    expect(outcome).toEqual({
      kind: 'accepted',
      token: {
        name: 'FILES\\admin',
        userSid: 'S-1-5-21-1-2-3-1001',
        groupSids: ['S-1-5-32-544', 'S-1-5-32-545', 'S-1-1-0', 'S-1-5-2', 'S-1-5-11'],
        scheme: tokenScheme,
        source: '192.0.2.7',
        protectedChannel: true,
      },
    });
  });

  test.each(['negotiate', 'ntlm'] as const)('%s: both sides can seal, in both directions', (scheme) => {
    const acceptor = acceptorWith({ secureTransport: false });
    const initiator = initiatorWith({ schemes: [scheme], secureTransport: false });
    run(initiator, acceptor);
    const [client, server] = [initiator.context!, acceptor.context!];
    for (let i = 0; i < 3; i++) {
      const text = new TextEncoder().encode(`message ${i}`);
      expect(server.unwrap(client.wrap(text))).toEqual(text);
      expect(client.unwrap(server.wrap(text))).toEqual(text);
      client.verify(text, server.sign(text));
    }
    expect(client.sessionKey).toEqual(server.sessionKey);
    // Sequence number 0 went to SPNEGO's mechListMIC.
    expect(client.sign(new Uint8Array(0))[12]).toBe(scheme === 'negotiate' ? 4 : 3);
  });

  test.each(['negotiate', 'ntlm', 'basic'] as const)(
    '%s: a wrong password and an unknown user look the same',
    (scheme) => {
      const answers = [
        { user: 'admin', password: 'wrong' },
        { user: 'nobody', password: 'Pässw0rd' },
      ].map((credentials) => {
        const acceptor = acceptorWith();
        const initiator = initiatorWith({ schemes: [scheme], credentials });
        let outcome = acceptor.authenticate(initiator.initial());
        while (outcome.kind !== 'challenge' || outcome.attempted === undefined) {
          if (outcome.kind === 'accepted') throw new Error('accepted');
          outcome = acceptor.authenticate(initiator.next(outcome.headers));
        }
        expect(outcome.attempted).toBe(credentials.user);
        expect(acceptor.authenticate(undefined).kind).toBe('challenge');
        expect(acceptor.context).toBeUndefined();
        expect(() => initiator.next(outcome.headers)).toThrow(expect.objectContaining({ code: 'auth/failed' }));
        expect(initiator.complete).toBe(false);
        return outcome.headers;
      });
      expect(answers[0]).toEqual(answers[1]);
    },
  );
});

describe('channel binding', () => {
  const other = new TextEncoder().encode('tls-server-end-point:another');
  test.each([
    ['same, required', binding, binding, true, true],
    ['same, not required', binding, binding, false, true],
    ['none, not required', undefined, binding, false, true],
    ['none, required', undefined, binding, true, false],
    ['another, required', other, binding, true, false],
    ['another, not required', other, binding, false, false],
    ['server has none', binding, undefined, false, true],
  ] as const)('%s', (_, clients, servers, required, accepted) => {
    for (const scheme of ['negotiate', 'ntlm'] as const) {
      const acceptor = acceptorWith({ channelBinding: servers, requireChannelBinding: required });
      const initiator = initiatorWith({ schemes: [scheme], channelBinding: () => clients });
      if (accepted) expect(run(initiator, acceptor)).toBe(2);
      else expect(() => run(initiator, acceptor)).toThrow(expect.objectContaining({ code: 'auth/failed' }));
    }
  });

  test('required without having one is a mistake of ours; without TLS it has no effect', () => {
    expect(() => acceptorWith({ requireChannelBinding: true })).toThrow(
      expect.objectContaining({ code: 'usage/invalid' }),
    );
    const acceptor = acceptorWith({ requireChannelBinding: true, secureTransport: false });
    expect(run(initiatorWith({ secureTransport: false }), acceptor)).toBe(2);
  });
});

describe('which schemes', () => {
  test.each<[string, HttpScheme[], boolean, string[]]>([
    ['all over TLS', ['negotiate', 'ntlm', 'basic'], true, ['Negotiate', 'NTLM', 'Basic realm="WSMAN"']],
    ['no Basic without TLS', ['negotiate', 'basic'], false, ['Negotiate']],
    ['the order of the options', ['basic', 'negotiate'], true, ['Basic realm="WSMAN"', 'Negotiate']],
    ['no Digest and no Kerberos yet', ['kerberos', 'digest', 'ntlm'], true, ['NTLM']],
  ])('%s', (_, schemes, secureTransport, headers) => {
    expect(acceptorWith({ schemes, secureTransport }).authenticate(undefined)).toEqual({
      kind: 'challenge',
      headers,
      attempted: undefined,
    });
  });

  test('a realm is quoted', () => {
    expect(acceptorWith({ schemes: ['basic'], realm: 'a"b\\' }).authenticate(undefined)).toMatchObject({
      headers: ['Basic realm="a\\"b\\\\"'],
    });
  });

  test('Basic is refused without TLS, on both sides', () => {
    const header = `Basic ${btoa('admin:P\xc3\xa4ssw0rd')}`;
    expect(acceptorWith().authenticate(header).kind).toBe('accepted');
    expect(acceptorWith({ secureTransport: false }).authenticate(header).kind).toBe('challenge');
    const initiator = initiatorWith({ schemes: ['basic'], secureTransport: false });
    expect(initiator.initial()).toBeUndefined();
    expect(() => initiator.next(['Basic realm="WSMAN"'])).toThrow(
      expect.objectContaining({ code: 'auth/no-common-mechanism' }),
    );
  });
});
