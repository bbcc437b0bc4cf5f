import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  createHttpAcceptor,
  createNtlmInitiator,
  createSpnegoInitiator,
  type HttpAcceptor,
  type HttpAcceptorOptions,
  type HttpAuthOutcome,
  ntlmInitiatorMechanism,
  ntOwfV1,
} from '../src/index.ts';
import { admin, oneAccount, testEnvironment } from './support.ts';

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

const credentials = { user: 'admin', password: 'Pässw0rd' };
const right = basic('admin:Pässw0rd');

function basic(text: string): string {
  return `Basic ${Buffer.from(text, 'utf8').toString('base64')}`;
}

function header(scheme: string, token: Uint8Array | undefined): string {
  return `${scheme} ${Buffer.from(token ?? []).toString('base64')}`;
}

function tokenIn(outcome: HttpAuthOutcome): Uint8Array {
  if (outcome.kind !== 'continue') throw new Error(outcome.kind);
  return Uint8Array.from(Buffer.from(outcome.headers[0]!.split(' ')[1]!, 'base64'));
}

/** Runs a raw NTLM exchange under the given scheme name; returns the last outcome. */
function ntlmLogin(acceptor: HttpAcceptor, scheme: string, password = 'Pässw0rd'): HttpAuthOutcome {
  const client = createNtlmInitiator({ credentials: { ...credentials, password }, environment: testEnvironment(3) });
  const challenge = tokenIn(acceptor.authenticate(header(scheme, client.step())));
  return acceptor.authenticate(header(scheme, client.step(challenge)));
}

describe('a connection', () => {
  test.each(['Negotiate', 'NTLM', 'negotiate', 'nTlM', 'NEGOTIATE'])('keeps the identity that %s gave it', (scheme) => {
    const acceptor = acceptorWith();
    expect(acceptor.authenticate(undefined).kind).toBe('challenge');
    const outcome = ntlmLogin(acceptor, scheme);
    expect(outcome).toMatchObject({ kind: 'accepted', token: { name: 'FILES\\admin', scheme: 'ntlm' } });
    expect(outcome).toHaveProperty('responseHeader', undefined);
    expect(acceptor.context?.complete).toBe(true);
    for (const nothing of [undefined, '', '  ']) expect(acceptor.authenticate(nothing).kind).toBe('accepted');
  });

  test('SPNEGO’s last token goes along with the answer', () => {
    const acceptor = acceptorWith();
    const client = createSpnegoInitiator({
      mechanisms: [ntlmInitiatorMechanism({ credentials, environment: testEnvironment(3) })],
    });
    const challenge = tokenIn(acceptor.authenticate(header('Negotiate', client.step())));
    const outcome = acceptor.authenticate(header('Negotiate', client.step(challenge)));
    expect(outcome).toMatchObject({
      kind: 'accepted',
      responseHeader: expect.stringMatching(/^Negotiate [A-Za-z0-9+/]+=*$/),
    });
  });

  test('a Basic identity is for one request', () => {
    const acceptor = acceptorWith();
    expect(acceptor.authenticate(right)).toMatchObject({ kind: 'accepted', token: { scheme: 'basic' } });
    expect(acceptor.context).toBeUndefined();
    expect(acceptor.authenticate(undefined).kind).toBe('challenge');
  });

  test.each([
    [
      'a new exchange',
      () => header('Negotiate', createNtlmInitiator({ credentials, environment: testEnvironment(4) }).step()),
    ],
    ['wrong Basic credentials', () => basic('admin:wrong')],
    ['right Basic credentials', () => right],
    ['a token that makes no sense', () => 'Negotiate AAAA'],
    ['a scheme without a token', () => 'Negotiate'],
    ['a scheme that is not offered', () => 'Bearer abc'],
    ['what is not base64', () => 'NTLM ???'],
  ])('%s drops the old identity at once', (_, make) => {
    const acceptor = acceptorWith();
    ntlmLogin(acceptor, 'Negotiate');
    acceptor.authenticate(make());
    expect(acceptor.context).toBeUndefined();
    expect(acceptor.authenticate(undefined).kind).toBe('challenge');
  });

  test('another login replaces the identity', () => {
    const acceptor = acceptorWith();
    ntlmLogin(acceptor, 'Negotiate');
    const first = acceptor.context;
    expect(ntlmLogin(acceptor, 'NTLM').kind).toBe('accepted');
    expect(acceptor.context).not.toBe(first);
    expect(ntlmLogin(acceptor, 'NTLM', 'wrong')).toMatchObject({ kind: 'challenge', attempted: 'admin' });
    expect(acceptor.authenticate(undefined).kind).toBe('challenge');
  });

  test('loses its identity when a sealed message does not verify', () => {
    const acceptor = acceptorWith();
    ntlmLogin(acceptor, 'Negotiate');
    const message = { header: new Uint8Array(16), data: new Uint8Array(4) };
    expect(() => acceptor.context?.unwrap(message)).toThrow(expect.objectContaining({ code: 'auth/bad-signature' }));
    expect(acceptor.authenticate(undefined).kind).toBe('challenge');
    expect(acceptor.context).toBeUndefined();
  });

  test('an exchange can neither be interrupted nor finished under another scheme', () => {
    const client = () => createNtlmInitiator({ credentials, environment: testEnvironment(3) });
    const interrupted = acceptorWith();
    const first = client();
    const challenge = tokenIn(interrupted.authenticate(header('NTLM', first.step())));
    expect(interrupted.authenticate(undefined).kind).toBe('challenge');
    expect(interrupted.authenticate(header('NTLM', first.step(challenge))).kind).toBe('challenge');

    const moved = acceptorWith();
    const second = client();
    const other = tokenIn(moved.authenticate(header('NTLM', second.step())));
    expect(moved.authenticate(header('Negotiate', second.step(other))).kind).toBe('challenge');
  });

  test('a recorded last token opens nothing', () => {
    const client = createNtlmInitiator({ credentials, environment: testEnvironment(3) });
    const victim = acceptorWith();
    const last = header('NTLM', client.step(tokenIn(victim.authenticate(header('NTLM', client.step())))));
    expect(victim.authenticate(last).kind).toBe('accepted');
    expect(victim.authenticate(last)).toMatchObject({ kind: 'challenge' });
    const fresh = acceptorWith({ environment: testEnvironment(50) });
    expect(fresh.authenticate(last).kind).toBe('challenge');
    tokenIn(
      fresh.authenticate(header('NTLM', createNtlmInitiator({ credentials, environment: testEnvironment(3) }).step())),
    );
    expect(fresh.authenticate(last)).toMatchObject({ kind: 'challenge', attempted: 'admin' });
  });

  test('the hint at a client certificate is as good as no header', () => {
    const hint = 'http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual';
    const acceptor = acceptorWith();
    expect(acceptor.authenticate(hint)).toMatchObject({ kind: 'challenge', attempted: undefined });
    ntlmLogin(acceptor, 'Negotiate');
    expect(acceptor.authenticate(hint).kind).toBe('accepted');
  });
});

describe('Basic', () => {
  test('is looked up at every request: what was right is not when the account has changed or gone', () => {
    let account = oneAccount('admin', '');
    const acceptor = acceptorWith({ accounts: () => account });
    const first = acceptor.authenticate(right);
    expect(first.kind).toBe('accepted');
    // The same proof of the same account is the same token.
    expect(acceptor.authenticate(right)).toEqual(first);
    account = account && { ...account, groupSids: ['S-1-5-32-546'] };
    expect(acceptor.authenticate(right)).toMatchObject({
      token: { groupSids: expect.arrayContaining(['S-1-5-32-546']) },
    });
    account = account && { ...account, ntHash: ntOwfV1('another') };
    expect(acceptor.authenticate(right).kind).toBe('challenge');
    account = undefined;
    expect(acceptor.authenticate(right).kind).toBe('challenge');
  });

  test.each([
    ['plain', right],
    ['domain', basic('FILES\\Admin:Pässw0rd')],
    ['user@host', basic('admin@files.example:Pässw0rd')],
    ['ISO 8859-1', `Basic ${Buffer.from('admin:Pässw0rd', 'latin1').toString('base64')}`],
    ['spaces', `  basic   ${right.slice(6)}  `],
  ])('%s', (_, value) => {
    expect(acceptorWith().authenticate(value).kind).toBe('accepted');
  });

  test.each([
    ['wrong password', basic('admin:wrong'), 'admin'],
    ['empty password', basic('admin:'), 'admin'],
    ['unknown user', basic('HOST\\nobody:Pässw0rd'), 'HOST\\nobody'],
    ['control characters and length', basic(`a\nb${'c'.repeat(300)}:x`), `a\ufffdb${'c'.repeat(253)}`],
    ['no colon', basic('admin'), undefined],
    ['no user', basic(':Pässw0rd'), undefined],
    ['nothing', 'Basic', undefined],
    ['not base64', 'Basic a', undefined],
  ])('%s', (_, value, attempted) => {
    expect(acceptorWith().authenticate(value)).toEqual({
      kind: 'challenge',
      headers: ['Negotiate', 'NTLM', 'Basic realm="WSMAN"'],
      attempted,
    });
  });

  test('a colon may be in the password', () => {
    const accounts = () => ({ ...admin, ntHash: ntOwfV1('a:b') });
    expect(acceptorWith({ accounts }).authenticate(basic('admin:a:b')).kind).toBe('accepted');
  });

  test('attempts are gated', () => {
    const reports: unknown[] = [];
    const attempts = { allow: () => reports.length < 2, report: (...report: unknown[]) => void reports.push(report) };
    const acceptor = acceptorWith({ attempts });
    acceptor.authenticate(basic('admin:wrong'));
    acceptor.authenticate(right);
    expect(acceptor.authenticate(right)).toMatchObject({ kind: 'challenge', attempted: 'admin' });
    expect(reports).toEqual([
      ['192.0.2.7', 'admin', false],
      ['192.0.2.7', 'admin', true],
    ]);
  });
});

test('the accounts’ own failure is not taken for the peer’s, and leaves nobody behind', () => {
  const acceptor = acceptorWith({
    accounts: () => {
      throw new RangeError('disk');
    },
  });
  expect(() => ntlmLogin(acceptor, 'NTLM')).toThrow(RangeError);
  expect(acceptor.authenticate(undefined).kind).toBe('challenge');
});

test('property: no header of a peer makes it throw or lets anybody in', () => {
  const scheme = fc.constantFrom('Negotiate', 'NTLM', 'Basic', 'Digest', 'Kerberos', 'x', '');
  const text = fc.oneof(
    fc.string(),
    fc.base64String(),
    fc.uint8Array().map((bytes) => Buffer.from(bytes).toString('base64')),
    fc
      .uint8Array()
      .map((bytes) => Buffer.concat([Buffer.from('NTLMSSP\0\x01\0\0\0', 'latin1'), bytes]).toString('base64')),
    fc.uint8Array().map((bytes) => Buffer.concat([Buffer.from([0x60, bytes.length]), bytes]).toString('base64')),
  );
  const values = fc.oneof(
    fc.string(),
    fc.tuple(scheme, text).map((parts) => parts.join(' ')),
  );
  fc.assert(
    fc.property(fc.array(values, { minLength: 1, maxLength: 4 }), (requests) => {
      const acceptor = acceptorWith();
      for (const value of requests) expect(acceptor.authenticate(value).kind).not.toBe('accepted');
    }),
    { numRuns: 500 },
  );
});
