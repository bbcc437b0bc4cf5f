import { isCarmineError } from '@carmine/errors';
import { fromHex } from '@carmine/testkit';
import { encodeDer } from '@carmine/wire/der';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type AuthenticatedAccount,
  createKerberosAcceptor,
  createKerberosInitiator,
  createKerberosService,
  type KerberosServiceOptions,
} from '../src/index.ts';
import type { EncryptionKey } from '../src/kerberos/crypto/profile.ts';
import { profileOf } from '../src/kerberos/crypto/profiles.ts';
import { type AuthorizationData, authorizationData } from '../src/kerberos/messages/authorization-data.ts';
import { accountOfPac } from '../src/kerberos/pac/account.ts';
import { decodePac } from '../src/kerberos/pac/pac.ts';
import { decodeValidationInfo } from '../src/kerberos/pac/validation-info.ts';
import {
  encodePac,
  encodeValidationInfo,
  pacData,
  realm,
  start,
  type TestPac,
  ticketFor,
} from '../src/testing/index.ts';
import { testKdc } from './kerberos-support.ts';
import { admin, caught, golden, testEnvironment } from './support.ts';

const key = (etype: number): EncryptionKey => ({
  etype,
  value: new Uint8Array(etype === 18 || etype === 20 ? 32 : 16).fill(3),
});
const ticket = { authtime: start, cname: { nameType: 1, nameString: ['admin'] }, crealm: realm };
const domain = 'S-1-5-21-1-2-3';

describe('KERB_VALIDATION_INFO', () => {
  test.each<[string, TestPac, string, string[]]>([
    ['a plain user', {}, `${domain}-1105`, [`${domain}-513`]],
    [
      'groups that are enabled',
      {
        groups: [
          [512, 7],
          [1200, 7],
          [1201, 3],
          [1202, 0x17],
        ],
      },
      `${domain}-1105`,
      [`${domain}-513`, `${domain}-512`, `${domain}-1200`],
    ],
    ['no groups', { groups: [], primaryGroupId: 0 }, `${domain}-1105`, []],
    [
      'groups of elsewhere',
      {
        extraSids: [
          ['S-1-5-21-9-9-9-600', 7],
          ['S-1-5-1', 7],
          ['S-1-5-32', 0],
        ],
      },
      `${domain}-1105`,
      [`${domain}-513`, 'S-1-5-21-9-9-9-600', 'S-1-5-1'],
    ],
    [
      'groups of elsewhere that do not count',
      { extraSids: [['S-1-5-9', 7]], userFlags: 0 },
      `${domain}-1105`,
      [`${domain}-513`],
    ],
    [
      'a user of elsewhere',
      {
        userId: 0,
        primaryGroupId: 0,
        groups: [],
        extraSids: [
          ['S-1-5-21-9-9-9-5', 7],
          ['S-1-5-9', 7],
        ],
      },
      'S-1-5-21-9-9-9-5',
      ['S-1-5-9'],
    ],
  ])('%s', (_, info, userSid, groupSids) => {
    expect(decodeValidationInfo(encodeValidationInfo(info))).toEqual({
      effectiveName: 'admin',
      logonDomainName: 'CARMINE',
      userSid,
      groupSids,
    });
  });

  test('names of odd length are padded', () => {
    const { effectiveName, logonDomainName } = decodeValidationInfo(encodeValidationInfo({ user: 'abc', domain: 'D' }));
    expect([effectiveName, logonDomainName]).toEqual(['abc', 'D']);
  });

  test('every prefix is refused', () => {
    const octets = encodeValidationInfo({ groups: [[512, 7]], extraSids: [['S-1-5-9', 7]] });
    // The last octets are padding.
    for (let length = 0; length < octets.length - 8; length++) {
      expect(() => decodeValidationInfo(octets.subarray(0, length))).toThrow(
        expect.objectContaining({ kind: 'remote' }),
      );
    }
  });

  test('any octets in place of some decode or are the peer’s fault', () => {
    const octets = encodeValidationInfo({
      groups: [
        [512, 7],
        [513, 7],
      ],
      extraSids: [['S-1-5-9', 7]],
    });
    fc.assert(
      fc.property(fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 8 }), (at, change) => {
        const changed = octets.slice();
        changed.set(change, at % (octets.length - 8));
        try {
          decodeValidationInfo(changed);
        } catch (error) {
          if (!isCarmineError(error)) throw error;
          expect(error.kind).toBe('remote');
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('a PAC', () => {
  const info = encodeValidationInfo({});

  test.each([17, 18, 19, 20, 23])('signed with type %i', (etype) => {
    const pac = encodePac(info, 'admin', start, key(etype));
    expect(accountOfPac(pac, key(etype), ticket)).toEqual({
      name: 'CARMINE\\admin',
      userSid: `${domain}-1105`,
      groupSids: [`${domain}-513`],
    });
  });

  test('signed by MIT', () => {
    // Made with krb5_pac_sign of MIT krb5 1.20.1 around our own logon information.
    const mit = golden<{ pac: string; key: string; etype: number; authtime: number; client: string }>(
      'kerberos-mit-pac.json',
    );
    const service = { etype: mit.etype, value: fromHex(mit.key) };
    const of = { authtime: mit.authtime * 1000, cname: { nameType: 1, nameString: [mit.client] }, crealm: realm };
    expect(accountOfPac(fromHex(mit.pac), service, of)).toMatchObject({ userSid: `${domain}-1105` });
  });

  test('without logon information says nothing', () => {
    expect(accountOfPac(encodePac(undefined, 'admin', start, key(18)), key(18), ticket)).toBeUndefined();
  });

  const pac = encodePac(info, 'admin', start, key(18));
  const buffer = (type: number) => decodePac(pac).find((candidate) => candidate.type === type)!;
  const changed = (at: number, value: number) => pac.with(at, value) as Uint8Array;

  test.each<[string, Uint8Array, EncryptionKey, object, RegExp]>([
    ['another key', pac, key(20), ticket, /another kind of key/],
    ['another key of the type', pac, { etype: 18, value: new Uint8Array(32) }, ticket, /wrong signature/],
    ['another user', changed(buffer(1).offset + 0x90, 0x66), key(18), ticket, /wrong signature/],
    [
      'a changed signature',
      changed(buffer(6).offset + 4, pac[buffer(6).offset + 4]! ^ 1),
      key(18),
      ticket,
      /wrong signature/,
    ],
    ['a signature of no known type', changed(buffer(6).offset, 99), key(18), ticket, /not supported/],
    ['a signature that is missing', changed(8 + 2 * 16, 99), key(18), ticket, /not signed/],
    ['two signatures', changed(8 + 3 * 16, 6), key(18), ticket, /two buffers/],
    ['another client', pac, key(18), { ...ticket, cname: { nameType: 1, nameString: ['eve'] } }, /another ticket/],
    ['another time', pac, key(18), { ...ticket, authtime: start + 1000 }, /another ticket/],
  ])('%s', (_, octets, withKey, of, message) => {
    expect(caught(() => accountOfPac(octets, withKey, of as typeof ticket))).toMatchObject({
      code: 'auth/policy',
      message: expect.stringMatching(message),
    });
  });

  test('the KDC’s signature is not the service’s to check', () => {
    const at = buffer(7).offset + 4;
    expect(accountOfPac(changed(at, pac[at]! ^ 1), key(18), ticket)).toBeDefined();
  });

  test('any octets are the peer’s fault', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 120 }),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (octets, at, change) => {
          for (const input of [octets, changed(at % pac.length, pac[at % pac.length]! ^ change)]) {
            try {
              accountOfPac(input, key(18), ticket);
            } catch (error) {
              if (!isCarmineError(error)) throw error;
              expect(['remote', 'refused']).toContain(error.kind);
            }
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('the account of a ticket', () => {
  const from = (data: (authtime: number, key: EncryptionKey) => AuthorizationData) => ({
    authorizationData: (_: unknown, authtime: number, serviceKey: EncryptionKey) => data(authtime, serviceKey),
  });
  const withPac = from((authtime, k) => pacData(encodePac(encodeValidationInfo({}), 'admin', authtime, k)));
  const accept = (
    kdcOptions: object,
    options: Partial<KerberosServiceOptions> = {},
  ): AuthenticatedAccount | undefined => {
    const kdc = testKdc(kdcOptions);
    const keytab = kdc.keytab('HTTP/files.example');
    const service = createKerberosService({ keytab, environment: testEnvironment(1), ...options });
    const acceptor = createKerberosAcceptor({ service });
    const granted = ticketFor(kdc, 'HTTP/files.example', testEnvironment(3));
    acceptor.step(createKerberosInitiator({ ticket: granted, environment: testEnvironment(2) }).step());
    return acceptor.peer;
  };
  const pacAccount = { name: 'CARMINE\\admin', userSid: `${domain}-1105`, groupSids: [`${domain}-513`] };

  test('is the PAC’s unless there is a map', () => {
    expect(accept(withPac)).toEqual(pacAccount);
  });

  test('is what the map makes of the PAC', () => {
    const accounts = (_user: string, _realm: string, pac: AuthenticatedAccount | undefined) =>
      pac === undefined ? undefined : { ...pac, groupSids: [...pac.groupSids, 'S-1-5-32-544'] };
    expect(accept(withPac, { accounts })?.groupSids).toEqual([`${domain}-513`, 'S-1-5-32-544']);
  });

  test('is the map’s without a PAC, and nobody’s without either', () => {
    const seen: unknown[] = [];
    const accounts = (...args: readonly unknown[]) => {
      seen.push(args);
      return { name: admin.name, userSid: admin.userSid, groupSids: [] };
    };
    expect(accept({}, { accounts })?.name).toBe(admin.name);
    expect(seen).toEqual([['admin', realm, undefined]]);
    expect(caught(() => accept({}))).toMatchObject({ code: 'auth/failed' });
  });

  test('a PAC that is changed keeps out, whatever the map says', () => {
    const broken = from((authtime, k) => {
      const pac = encodePac(encodeValidationInfo({}), 'admin', authtime, {
        ...k,
        value: k.value.map((octet) => octet ^ 1),
      });
      return pacData(pac);
    });
    const accounts = () => ({ name: admin.name, userSid: admin.userSid, groupSids: [] });
    expect(caught(() => accept(broken, { accounts }))).toMatchObject({ code: 'auth/policy' });
  });

  test('authorisation data that do not decode keep out', () => {
    const nonsense = from(() => [{ adType: 1, adData: Uint8Array.of(1, 2, 3) }]);
    expect(caught(() => accept(nonsense))).toMatchObject({ code: 'auth/protocol', kind: 'remote' });
    const unknown = from(() => [{ adType: 1, adData: encodeDer(authorizationData, []) }]);
    expect(caught(() => accept(unknown))).toMatchObject({ code: 'auth/failed' });
  });
});

test('PAC signatures are as long as the checksums of their types', () => {
  for (const etype of [17, 18, 19, 20, 23]) {
    const pac = decodePac(encodePac(undefined, 'admin', start, key(etype)));
    expect(pac.find(({ type }) => type === 6)!.data).toHaveLength(4 + profileOf(key(etype)).checksumLength);
  }
});
