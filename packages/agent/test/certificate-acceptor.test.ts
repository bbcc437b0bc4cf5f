import type { AccountLookup, HttpAcceptor, HttpAuthOutcome, SecurityContext } from '@carmine/auth';
import { nobody, type Token, wellKnownSids } from '@carmine/security';
import { createAuthority } from '@carmine/testkit/node';
import { describe, expect, it } from 'vitest';
import { certificateAcceptor } from '../src/node/certificate-acceptor.ts';
import { createCertificateMapping } from '../src/node/certificate-mapping.ts';

const token = (name: string): Token => ({ ...nobody, name, userSid: `S-1-5-21-${name.length}`, scheme: 'certificate' });
const holder = token('holder');
const other = token('somebody else');
const hint = 'http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual';
const challenge: HttpAuthOutcome = { kind: 'challenge', headers: ['Negotiate'] };

/** Takes `Test ok`, and then has an identity and a context, which `Test end` drops. */
function inner(): HttpAcceptor {
  let known: Token | undefined;
  return {
    get context() {
      return known === undefined ? undefined : ({ mechanism: 'ntlm' } as SecurityContext);
    },
    authenticate(authorization) {
      if (authorization !== undefined) known = authorization === 'Test ok' ? other : undefined;
      return known === undefined ? challenge : { kind: 'accepted', token: known };
    },
  };
}

describe('certificateAcceptor', () => {
  const presented = { name: 'certificate x', token: (): Token | undefined => holder };

  it('lets other credentials speak for themselves', () => {
    const acceptor = certificateAcceptor(inner(), presented);
    expect(acceptor.authenticate('Test wrong')).toBe(challenge);
    expect(acceptor.authenticate('Test ok')).toMatchObject({ kind: 'accepted', token: other });
    expect(acceptor.context).toBeDefined();
    expect(acceptor.authenticate(undefined)).toMatchObject({ token: other });
    expect(acceptor.authenticate('Test end')).toBe(challenge);
    expect(acceptor.authenticate(undefined)).toMatchObject({ token: holder });
  });

  it('never gives the context of one identity to another', () => {
    const acceptor = certificateAcceptor(inner(), presented);
    acceptor.authenticate('Test ok');
    expect(acceptor.authenticate(hint)).toMatchObject({ kind: 'accepted', token: holder });
    expect(acceptor.context).toBeUndefined();
    expect(acceptor.authenticate(undefined)).toMatchObject({ token: other });
    expect(acceptor.context).toBeDefined();
  });

  it('forbids the hint without a certificate that counts, and takes no other text for the hint', () => {
    const without = certificateAcceptor(inner(), undefined);
    expect(without.authenticate(hint)).toEqual({ kind: 'forbidden', attempted: undefined });
    expect(without.authenticate(undefined)).toBe(challenge);
    const worthless = certificateAcceptor(inner(), { ...presented, token: () => undefined });
    expect(worthless.authenticate(hint)).toEqual({ kind: 'forbidden', attempted: 'certificate x' });
    expect(worthless.authenticate(undefined)).toBe(challenge);
    const acceptor = certificateAcceptor(inner(), presented);
    for (const text of [`${hint}/basic`, `${hint} x`, hint.slice(0, -1), '', 'Basic'])
      expect(acceptor.authenticate(text), text).toBe(challenge);
  });
});

it('a certificate stands for its account from its first to its last day, with the groups of the account', async () => {
  const authority = await createAuthority('managers');
  const { der } = await authority.issue({ names: [{ type: 'dns', value: 'h' }], from: -1, to: 1 });
  const accounts: AccountLookup = (user) =>
    user === 'Ann'
      ? {
          name: 'HOST\\Ann',
          userSid: 'S-1-5-21-1',
          groupSids: [wellKnownSids.administrators],
          ntHash: new Uint8Array(16),
        }
      : undefined;
  let now = Date.now();
  const mapping = await createCertificateMapping({ accountOf: new Map([['dns:h', 'Ann']]), accounts, now: () => now });
  const presented = mapping.present(der, '192.0.2.1');
  expect(presented.token()).toMatchObject({
    name: 'HOST\\Ann',
    scheme: 'certificate',
    source: '192.0.2.1',
    protectedChannel: true,
    groupSids: [
      wellKnownSids.administrators,
      wellKnownSids.everyone,
      wellKnownSids.network,
      wellKnownSids.authenticatedUsers,
    ],
  });
  now += 2 * 86_400_000;
  expect(presented.token()).toBeUndefined();
  now -= 4 * 86_400_000;
  expect(presented.token()).toBeUndefined();
});
