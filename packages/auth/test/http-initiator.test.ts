import { isCarmineError } from '@carmine/errors';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeDigest, selectDigest } from '../src/http/digest.ts';
import { createHttpInitiator, type HttpInitiator, type HttpInitiatorOptions, parseChallenges } from '../src/index.ts';
import { testEnvironment } from './support.ts';

function initiatorWith(changes: Partial<HttpInitiatorOptions> = {}): HttpInitiator {
  return createHttpInitiator({
    credentials: { user: 'admin', password: 'secret' },
    schemes: ['negotiate', 'ntlm', 'digest', 'basic'],
    environment: testEnvironment(2),
    host: 'files.example',
    service: 'HTTP',
    secureTransport: true,
    ...changes,
  });
}

const failed = expect.objectContaining({ code: 'auth/failed', kind: 'refused' });

describe('parseChallenges', () => {
  const simple = (headers: string[]) =>
    parseChallenges(headers).map(({ scheme, token68, parameters }) => [
      scheme,
      token68,
      Object.fromEntries(parameters),
    ]);

  test.each<[string, string[], unknown]>([
    ['one scheme', ['Negotiate'], [['negotiate', undefined, {}]]],
    [
      'one header each',
      ['Negotiate', 'Basic realm="WSMAN"'],
      [
        ['negotiate', undefined, {}],
        ['basic', undefined, { realm: 'WSMAN' }],
      ],
    ],
    [
      'several in one',
      ['Negotiate, NTLM, Basic realm="a, b"'],
      [
        ['negotiate', undefined, {}],
        ['ntlm', undefined, {}],
        ['basic', undefined, { realm: 'a, b' }],
      ],
    ],
    ['a token', ['Negotiate oYG2MIGz=='], [['negotiate', 'oYG2MIGz==', {}]]],
    [
      'a token and another scheme',
      ['NTLM TlRM+/8=, Basic realm=x'],
      [
        ['ntlm', 'TlRM+/8=', {}],
        ['basic', undefined, { realm: 'x' }],
      ],
    ],
    [
      'the example of RFC 9110 section 11.6.1',
      ['Basic realm="simple", Newauth realm="apps", type=1, title="Login to \\"apps\\""'],
      [
        ['basic', undefined, { realm: 'simple' }],
        ['newauth', undefined, { realm: 'apps', type: '1', title: 'Login to "apps"' }],
      ],
    ],
    [
      'Digest between others',
      ['Negotiate,Digest realm = "r" , nonce="n",qop="auth,auth-int", Basic  realm=""'],
      [
        ['negotiate', undefined, {}],
        ['digest', undefined, { realm: 'r', nonce: 'n', qop: 'auth,auth-int' }],
        ['basic', undefined, { realm: '' }],
      ],
    ],
    ['empty elements', [', ,Negotiate,,', ''], [['negotiate', undefined, {}]]],
    ['no header', [], []],
  ])('%s', (_, headers, expected) => {
    expect(simple(headers)).toEqual(expected);
  });

  test.each([
    '"Basic"',
    'Basic realm="x',
    'Basic realm="x" y',
    'Negotiate a b',
    'Basic realm=x, realm=y',
    '=',
    'x'.repeat(200_000),
  ])('malformed: %.30s', (header) => {
    expect(() => parseChallenges([header])).toThrow(expect.objectContaining({ code: 'auth/protocol', kind: 'remote' }));
  });

  test('property: any text parses or fails as the peer’s fault, in reasonable time', () => {
    const pieces = fc.constantFrom('Basic', ' ', ',', '=', '"', '\\', 'realm="x"', 'a', '==', 'Negotiate AA==');
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(pieces, { maxLength: 60 }).map((parts) => parts.join('')),
        ),
        (header) => {
          try {
            parseChallenges([header]);
          } catch (error) {
            expect(isCarmineError(error, 'auth/protocol')).toBe(true);
          }
        },
      ),
      { numRuns: 1000 },
    );
    expect(() => parseChallenges([`Basic ${'a'.repeat(100_000)}"`])).toThrow();
    expect(() => parseChallenges([`Basic a="${'\\a'.repeat(50_000)}`])).toThrow();
  });
});

describe('choice of scheme', () => {
  test.each<[string, HttpInitiatorOptions['schemes'], string[], string]>([
    ['our preference decides', ['ntlm', 'negotiate'], ['Negotiate', 'NTLM'], 'NTLM'],
    ['what is offered limits it', ['negotiate', 'basic'], ['Basic realm="x"'], 'Basic'],
    ['names in any case', ['negotiate'], ['nEGOTIATE'], 'Negotiate'],
    ['Kerberos alone is passed over', ['kerberos', 'ntlm'], ['Kerberos', 'NTLM'], 'NTLM'],
    [
      'Digest that cannot be answered is passed over',
      ['digest', 'basic'],
      ['Digest realm="r", nonce="n", qop="auth-int"', 'Basic realm="x"'],
      'Basic',
    ],
  ])('%s', (_, schemes, offered, chosen) => {
    const value = initiatorWith({ schemes }).next(offered, { method: 'GET', uri: '/' });
    expect(value.split(' ')[0]).toBe(chosen);
  });

  test('nothing in common', () => {
    expect(() => initiatorWith({ schemes: ['negotiate'] }).next(['Basic realm="x"'])).toThrow(
      expect.objectContaining({ code: 'auth/no-common-mechanism' }),
    );
  });

  test('only Basic, and only when it comes first, is sent unasked', () => {
    expect(initiatorWith().initial()).toBeUndefined();
    expect(initiatorWith({ schemes: ['basic', 'negotiate'] }).initial()).toBe(`Basic ${btoa('admin:secret')}`);
    expect(initiatorWith({ schemes: ['basic'], secureTransport: false }).initial()).toBeUndefined();
    const inDomain = { user: 'admin', domain: 'CORP', password: 'ä:' };
    expect(initiatorWith({ schemes: ['basic'], credentials: inDomain }).initial()).toBe(
      `Basic ${Buffer.from('CORP\\admin:ä:').toString('base64')}`,
    );
  });
});

describe('refusals', () => {
  test.each<[string, HttpInitiatorOptions['schemes'], string[][]]>([
    ['Basic sent unasked', ['basic'], [['Basic realm="x"']]],
    ['Basic', ['negotiate', 'basic'], [['Basic realm="x"'], ['Negotiate', 'Basic realm="x"']]],
    [
      'Negotiate, and Basic is not tried then',
      ['negotiate', 'basic'],
      [
        ['Negotiate', 'Basic realm="x"'],
        ['Negotiate', 'Basic realm="x"'],
      ],
    ],
    ['NTLM', ['ntlm'], [['NTLM'], ['NTLM']]],
    ['Digest', ['digest'], [['Digest realm="r", nonce="n", qop="auth"'], ['Digest realm="r", nonce="m", qop="auth"']]],
    [
      'Digest, stale with the same nonce',
      ['digest'],
      [['Digest realm="r", nonce="n", qop="auth"'], ['Digest realm="r", nonce="n", qop="auth", stale=true']],
    ],
  ])('%s', (_, schemes, answers) => {
    const initiator = initiatorWith({ schemes });
    const request = { method: 'GET', uri: '/' };
    initiator.initial(request);
    for (const answer of answers.slice(0, -1)) initiator.next(answer, request);
    expect(() => initiator.next(answers.at(-1)!, request)).toThrow(failed);
    expect(() => initiator.next(answers.at(-1)!, request)).toThrow(failed);
    expect(() => initiator.finish([])).toThrow(failed);
    expect(initiator.complete).toBe(false);
  });

  test('a 401 after completion is a refusal', () => {
    const initiator = initiatorWith({ schemes: ['basic'] });
    initiator.initial();
    initiator.finish([]);
    expect(initiator.complete).toBe(true);
    expect(() => initiator.next(['Basic realm="x"'])).toThrow(failed);
  });

  test('a server that is satisfied too early has proved nothing', () => {
    for (const schemes of [['negotiate'], ['ntlm']] as const) {
      const initiator = initiatorWith({ schemes });
      initiator.next(['Negotiate', 'NTLM']);
      expect(() => initiator.finish([])).toThrow(expect.objectContaining({ code: 'auth/protocol' }));
      expect([initiator.complete, initiator.context]).toEqual([false, undefined]);
    }
  });

  test('tokens that are none', () => {
    for (const token of ['Negotiate a', 'Negotiate AAAA']) {
      const initiator = initiatorWith();
      initiator.next(['Negotiate']);
      expect(() => initiator.next([token])).toThrow(expect.objectContaining({ code: 'auth/protocol', kind: 'remote' }));
    }
  });

  test('a server that wants no authentication leaves nothing complete', () => {
    const initiator = initiatorWith();
    initiator.finish([]);
    expect(initiator.complete).toBe(false);
  });
});

describe('Digest', () => {
  // RFC 7616 section 3.9.1.
  const offered = [
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=MD5, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"',
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"',
  ];
  const answer = (headers: string[], user = 'Mufasa') =>
    encodeDigest({
      credentials: { user, password: 'Circle of Life' },
      challenge: selectDigest(parseChallenges(headers))!,
      request: { method: 'GET', uri: '/dir/index.html' },
      clientNonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ',
      count: 1,
    });

  test('RFC 7616 section 3.9.1', () => {
    expect(answer([offered[0]!])).toBe(
      'Digest username="Mufasa", realm="http-auth@example.org", nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", uri="/dir/index.html", ' +
        'algorithm=MD5, qop=auth, nc=00000001, cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", ' +
        'response="8ca523f5e9506fed4657c9700eebdbec", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"',
    );
    expect(answer(offered)).toContain('response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"');
  });

  test('RFC 2617 section 3.5, which names no algorithm', () => {
    const value = encodeDigest({
      credentials: { user: 'Mufasa', password: 'Circle Of Life' },
      challenge: selectDigest(
        parseChallenges([
          'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"',
        ]),
      )!,
      request: { method: 'GET', uri: '/dir/index.html' },
      clientNonce: '0a4f113b',
      count: 1,
    });
    expect(value).toContain('response="6629fae49393a05397450978507c4ef1"');
    expect(value).not.toContain('algorithm');
  });

  test('names: quoted, of a domain, and beyond ASCII', () => {
    expect(answer(offered, 'CORP\\a"b')).toContain('username="CORP\\\\a\\"b"');
    expect(answer(offered, 'Jäsøn (x)')).toContain("username*=UTF-8''J%C3%A4s%C3%B8n%20%28x%29,");
  });

  test('session algorithms depend on both nonces', () => {
    const session = offered.map((value) => value.replace(/algorithm=([^,]+)/, 'algorithm=$1-sess'));
    expect(answer(session)).toContain('algorithm=SHA-256-sess');
    expect(answer(session)).not.toContain('753927fa');
  });

  test('every request carries the next count; a stale nonce is replaced', () => {
    const initiator = initiatorWith({ schemes: ['digest'], secureTransport: false });
    expect(initiator.initial({ method: 'GET', uri: '/a' })).toBeUndefined();
    const first = initiator.next(offered, { method: 'GET', uri: '/a' });
    initiator.finish([]);
    const second = initiator.initial({ method: 'GET', uri: '/b' })!;
    expect(first).toMatch(/uri="\/a".*nc=00000001/);
    expect(second).toMatch(/uri="\/b".*nc=00000002/);
    expect(/cnonce="([^"]*)"/.exec(first)?.[1]).toBe(/cnonce="([^"]*)"/.exec(second)?.[1]);
    expect(initiator.context).toBeUndefined();

    const early = initiatorWith({ schemes: ['digest'] });
    early.next(offered, { method: 'GET', uri: '/a' });
    const again = early.next(['Digest realm="r", nonce="new", qop="auth", stale=TRUE'], { method: 'GET', uri: '/a' });
    expect(again).toMatch(/nonce="new".*nc=00000001/);
    const request = { method: 'GET', uri: '/a' };
    expect(() => early.next(['Digest realm="r", nonce="newer", qop="auth", stale=true'], request)).toThrow(failed);
  });

  test('a long-lived connection may get a stale nonce after completion', () => {
    const initiator = initiatorWith({ schemes: ['digest'] });
    initiator.next(offered, { method: 'GET', uri: '/a' });
    initiator.finish([]);
    const again = initiator.next(['Digest realm="r", nonce="new", qop="auth", stale=true'], {
      method: 'GET',
      uri: '/b',
    });
    expect(again).toMatch(/uri="\/b".*nc=00000001/);
  });

  test('without the request, and without realm or nonce, there is no answer', () => {
    expect(() => initiatorWith({ schemes: ['digest'] }).next(offered)).toThrow(
      expect.objectContaining({ code: 'usage/invalid' }),
    );
    expect(() => initiatorWith({ schemes: ['digest'] }).next(['Digest nonce="n", qop="auth"'])).toThrow(
      expect.objectContaining({ code: 'auth/protocol' }),
    );
  });
});
