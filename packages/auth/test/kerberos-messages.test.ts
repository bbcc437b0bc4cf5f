import { isCarmineError } from '@carmine/errors';
import { fromHex, toHex } from '@carmine/testkit';
import { type DerCodec, decodeDer, encodeDer } from '@carmine/wire/der';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatPrincipal, parsePrincipal } from '../src/index.ts';
import { apRep, apReq, authenticator, encApRepPart } from '../src/kerberos/messages/ap-messages.ts';
import { alwaysBindsChannel, authorizationData, findPac } from '../src/kerberos/messages/authorization-data.ts';
import { kerberosFlags, kerberosString, uint32 } from '../src/kerberos/messages/basic-types.ts';
import {
  asRep,
  asReq,
  encAsRepPart,
  encKdcRepPart,
  encTgsRepPart,
  kdcReqBody,
  tgsRep,
  tgsReq,
} from '../src/kerberos/messages/kdc-messages.ts';
import { krbError, krbErrorName } from '../src/kerberos/messages/krb-error.ts';
import { etypeInfo2, paDataList, paEncTsEnc, paPacRequest } from '../src/kerberos/messages/pa-data.ts';
import { encTicketPart, ticket } from '../src/kerberos/messages/ticket.ts';
import { kerberosTime } from '../src/kerberos/messages/time.ts';

describe('KerberosTime', () => {
  test.each([
    ['19700101000000Z', 0],
    ['20000229235959Z', Date.UTC(2000, 1, 29, 23, 59, 59)],
    ['20380119031408Z', 2 ** 31 * 1000],
    ['19521231000000Z', Date.UTC(1952, 11, 31)],
  ])('%s', (text, value) => {
    const octets = Uint8Array.of(0x18, 15, ...new TextEncoder().encode(text));
    expect(decodeDer(kerberosTime, octets)).toBe(value);
    expect(encodeDer(kerberosTime, value + 999)).toEqual(octets);
  });

  test.each([
    '20010229000000Z',
    '20001301000000Z',
    '20000101240000Z',
    '20000101000000',
    '20000101000000.5Z',
    '2000-1-1',
  ])('%s is none', (text) => {
    const octets = Uint8Array.of(0x18, text.length, ...new TextEncoder().encode(text));
    expect(() => decodeDer(kerberosTime, octets)).toThrow(expect.objectContaining({ code: 'wire/invalid' }));
  });

  test('any second is what the calendar says', () => {
    fc.assert(
      fc.property(fc.integer({ min: -62_000_000_000, max: 253_000_000_000 }), (seconds) => {
        const text = new Date(seconds * 1000).toISOString().replace(/[-:T]|\.\d+/g, '');
        const octets = encodeDer(kerberosTime, seconds * 1000);
        expect(new TextDecoder().decode(octets.subarray(2))).toBe(text);
        expect(decodeDer(kerberosTime, octets)).toBe(seconds * 1000);
      }),
    );
  });
});

describe('basic types', () => {
  test.each([
    ['0201ff', 0xffff_ffff],
    ['02048000 0000', 0x8000_0000],
    ['0205 00ffffffff', 0xffff_ffff],
    ['020100', 0],
  ])('UInt32 %s', (hex, value) => {
    expect(decodeDer(uint32, fromHex(hex))).toBe(value);
  });

  test.each(['0205 0100000000', '0205ff00000000'])('no UInt32: %s', (hex) => {
    expect(() => decodeDer(uint32, fromHex(hex))).toThrow(/out of range/);
  });

  test.each([
    ['0305 00 40810010', 0x4081_0010],
    ['0303 00 4081', 0x4081_0000],
    ['0306 00 40810010 ff', 0x4081_0010],
  ])('KerberosFlags %s', (hex, value) => {
    expect(decodeDer(kerberosFlags, fromHex(hex))).toBe(value);
  });

  test.each(['0300', '0302 0840'])('no KerberosFlags: %s', (hex) => {
    expect(() => decodeDer(kerberosFlags, fromHex(hex))).toThrow(/BIT STRING/);
  });

  test('strings are UTF-8 and bounded', () => {
    expect(decodeDer(kerberosString, encodeDer(kerberosString, 'Jürgen'))).toBe('Jürgen');
    expect(() => decodeDer(kerberosString, fromHex('1b02fc6e'))).toThrow(/UTF-8/);
    const long = encodeDer(kerberosString, 'a'.repeat(4097));
    expect(() => decodeDer(kerberosString, long)).toThrow(expect.objectContaining({ code: 'wire/limit' }));
  });

  test('an AS-REQ, octet by octet', () => {
    // RFC 4120 section 5.4.1, laid out by hand.
    const reqBody = encodeDer(kdcReqBody, {
      kdcOptions: 0x4000_0000,
      cname: { nameType: 1, nameString: ['a'] },
      realm: 'R',
      till: 0,
      nonce: 5,
      etype: [18],
    });
    expect(toHex(encodeDer(asReq, { reqBody }))).toBe(
      [
        '6a4d 304b a103020105 a20302010a',
        'a43f 303d a00703050040000000 a10e300ca003020101a10530031b0161 a2031b0152',
        'a511180f31393730303130313030303030305a a703020105 a8053003020112',
      ]
        .join('')
        .replaceAll(' ', ''),
    );
  });
});

describe('principals', () => {
  test.each([
    ['admin', 'R', 'admin@R'],
    ['HTTP/files.example', 'R', 'HTTP/files.example@R'],
    ['admin@OTHER', 'R', 'admin@OTHER'],
    ['a\\/b\\@c/d', 'R', 'a\\/b\\@c/d@R'],
  ])('%s in %s', (text, realm, whole) => {
    const principal = parsePrincipal(text, realm);
    expect(formatPrincipal(principal)).toBe(whole);
    expect(parsePrincipal(whole)).toEqual(principal);
  });

  test.each(['', 'a//b', '/a', 'a@', 'a@b@c', 'a\\'])('%s is none', (text) => {
    expect(() => parsePrincipal(text, 'R')).toThrow(expect.objectContaining({ code: 'usage/invalid' }));
  });

  test('a realm is needed', () => {
    expect(() => parsePrincipal('admin')).toThrow(/with a realm/);
  });
});

const name = { nameType: 2, nameString: ['HTTP', 'files.example'] };
const key = { keytype: 18, keyvalue: Uint8Array.of(1, 2, 3) };
const encPart = { etype: 18, kvno: 7, cipher: Uint8Array.of(9, 8, 7) };
const any = Uint8Array.of(0x30, 0);
const times = { authtime: 1000, starttime: 2000, endtime: 3000, renewTill: 4000 };
const addresses = [{ addrType: 2, address: Uint8Array.of(127, 0, 0, 1) }];
const repPart = {
  key,
  nonce: 0x8000_0001,
  keyExpiration: 9000,
  flags: 0x8000_0001,
  ...times,
  srealm: 'R',
  sname: name,
  lastReq: [{ lrType: 0, lrValue: 0 }],
  caddr: addresses,
  encryptedPaData: [],
};
const reply = { padata: [], crealm: 'R', cname: name, ticket: any, encPart };
// biome-ignore lint/suspicious/noExplicitAny: the codecs of the table have a value type each.
const full: readonly (readonly [DerCodec<any>, unknown])[] = [
  [ticket, { realm: 'R', sname: name, encPart }],
  [
    encTicketPart,
    {
      flags: 1,
      key,
      crealm: 'R',
      cname: name,
      transited: { trType: 1, contents: any },
      ...times,
      caddr: addresses,
      authorizationData: [{ adType: 1, adData: any }],
    },
  ],
  [asReq, { padata: [{ padataType: 2, padataValue: any }], reqBody: any }],
  [tgsReq, { reqBody: any }],
  [asRep, reply],
  [tgsRep, reply],
  [
    kdcReqBody,
    {
      kdcOptions: 1,
      cname: name,
      realm: 'R',
      sname: name,
      from: 0,
      till: 1000,
      rtime: 2000,
      nonce: 1,
      etype: [18, -128],
      addresses,
      encAuthorizationData: encPart,
      additionalTickets: [any],
    },
  ],
  [encAsRepPart, repPart],
  [encTgsRepPart, repPart],
  [encKdcRepPart, repPart],
  [apReq, { apOptions: 0x2000_0000, ticket: any, authenticator: encPart }],
  [apRep, { encPart }],
  [
    authenticator,
    {
      crealm: 'R',
      cname: name,
      cksum: { cksumtype: 0x8003, checksum: any },
      cusec: 999_999,
      ctime: 1000,
      subkey: key,
      seqNumber: 0xffff_ffff,
      authorizationData: [],
    },
  ],
  [encApRepPart, { ctime: 1000, cusec: 0, subkey: key, seqNumber: 0 }],
  [
    krbError,
    {
      ctime: 1000,
      cusec: 1,
      stime: 2000,
      susec: 2,
      errorCode: 25,
      crealm: 'R',
      cname: name,
      realm: 'R',
      sname: name,
      eText: 'NEEDED',
      eData: any,
    },
  ],
  [paDataList, [{ padataType: -1, padataValue: any }]],
  [paEncTsEnc, { patimestamp: 1000, pausec: 1 }],
  [etypeInfo2, [{ etype: 18, salt: any, s2kparams: any }, { etype: 23 }]],
  [paPacRequest, { includePac: false }],
  [authorizationData, [{ adType: 143, adData: any }]],
];

describe('every message', () => {
  test.each(full)('survives with every field: %#', (codec, value) => {
    const octets = encodeDer(codec, value);
    expect(decodeDer(codec, octets)).toEqual(value);
    expect(() => decodeDer(codec, octets.subarray(0, -1))).toThrow(expect.objectContaining({ kind: 'remote' }));
  });

  test('any octets, and messages with one changed, decode or are the peer’s fault', () => {
    const valid = full.map(([codec, value]) => encodeDer(codec, value));
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 60 }),
        fc.nat(),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (octets, index, at, change) => {
          const message = valid[index % valid.length]!.slice();
          message[at % message.length]! ^= change;
          for (const [codec] of full) {
            for (const input of [octets, message]) {
              try {
                const value: unknown = decodeDer(codec, input);
                // What decodes can be written again, and means the same.
                expect(decodeDer(codec, encodeDer(codec, value))).toEqual(value);
              } catch (error) {
                if (!isCarmineError(error)) throw error;
                expect(error.kind).toBe('remote');
              }
            }
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

test('an AS-REP may have the other part inside', () => {
  const octets = encodeDer(encAsRepPart, repPart);
  expect(decodeDer(encKdcRepPart, octets)).toEqual(repPart);
  expect(() => decodeDer(encTgsRepPart, octets)).toThrow(/expected tag/);
});

test('errors have names', () => {
  expect([krbErrorName(25), krbErrorName(999)]).toEqual(['KDC_ERR_PREAUTH_REQUIRED', 'an error']);
});

test('what is wanted is found inside AD-IF-RELEVANT only', () => {
  const pac = Uint8Array.of(1, 2);
  const inner = (adType: number, adData: Uint8Array) => encodeDer(authorizationData, [{ adType, adData }]);
  expect(findPac(undefined)).toBeUndefined();
  expect(findPac([{ adType: 128, adData: pac }])).toBeUndefined();
  expect(
    findPac([
      { adType: 5, adData: any },
      { adType: 1, adData: inner(9, any) },
      { adType: 1, adData: inner(128, pac) },
    ]),
  ).toEqual(pac);
  expect(alwaysBindsChannel([{ adType: 1, adData: inner(143, Uint8Array.of(0, 0x40, 0, 0)) }])).toBe(true);
  for (const octets of [Uint8Array.of(0, 0, 0, 0), Uint8Array.of(0, 0x40)]) {
    expect(alwaysBindsChannel([{ adType: 1, adData: inner(143, octets) }])).toBe(false);
  }
});
