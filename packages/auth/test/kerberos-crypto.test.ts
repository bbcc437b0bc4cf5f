import { fromHex, toHex } from '@carmine/testkit';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { aesCtsDecrypt, aesCtsEncrypt } from '../src/kerberos/crypto/aes-cts.ts';
import { derivationConstant } from '../src/kerberos/crypto/aes-profile.ts';
import { deriveKey } from '../src/kerberos/crypto/aes-sha1.ts';
import { kdfHmacSha2 } from '../src/kerberos/crypto/aes-sha2.ts';
import { nFold } from '../src/kerberos/crypto/n-fold.ts';
import { allowedEtypes, findAesProfile, findProfile, profileOf } from '../src/kerberos/crypto/profiles.ts';
import { golden } from './support.ts';

interface Encrypted {
  readonly etype: number;
  readonly key: string;
  readonly confounder: string;
  readonly text: string;
  readonly encrypted: string;
}

interface Checksummed {
  readonly etype: number;
  readonly key: string;
  readonly text: string;
  readonly checksum: string;
}

interface Passworded {
  readonly etype: number;
  readonly iterations: number;
  readonly password: string;
  readonly salt: string;
  readonly key: string;
}

const rfc = golden<{
  nFold: { vectors: [string, string][] };
  stringToKey: { vectors: Passworded[] };
  cts: { key: string; input: string; vectors: [number, string][] };
  kdf: { vectors: { hash: 'sha256' | 'sha384'; key: string; purpose: number; derived: string }[] };
  encryption: { vectors: Encrypted[] };
  checksum: { vectors: Checksummed[] };
}>('kerberos-rfc-vectors.json');
const mit = golden<{
  vectors: { etype: number; key: string; usage: number; text: string; encrypted: string; checksum: string }[];
  stringToKey: Passworded[];
}>('kerberos-mit-vectors.json');

const text = (value: string) => new TextEncoder().encode(value);

test.each(rfc.nFold.vectors)('RFC 3961 A.1: n-fold of %s is %s', (input, folded) => {
  expect(toHex(nFold(text(input), folded.length / 2))).toBe(folded);
});

test.each(rfc.cts.vectors)('RFC 3962 B: ciphertext stealing of %i octets', (length, output) => {
  const input = fromHex(rfc.cts.input).subarray(0, length);
  expect(toHex(aesCtsEncrypt(fromHex(rfc.cts.key), input))).toBe(output);
  expect(aesCtsDecrypt(fromHex(rfc.cts.key), fromHex(output))).toEqual(input);
});

test.each(rfc.stringToKey.vectors)(
  'string-to-key, type $etype, $iterations rounds',
  ({ etype, iterations, password, salt, key }) => {
    expect(toHex(findProfile(etype)!.stringToKey(password, fromHex(salt), iterations))).toBe(key);
  },
);

test.each(mit.stringToKey)(
  'MIT: string-to-key, type $etype, $iterations rounds',
  ({ etype, iterations, password, salt, key }) => {
    expect(toHex(findProfile(etype)!.stringToKey(password, text(salt), iterations))).toBe(key);
  },
);

test('RFC 3962 B: DK makes the AES key of the PBKDF2 output', () => {
  expect(toHex(deriveKey(fromHex('cdedb5281bb2f801565a1122b2563515'), text('kerberos')))).toBe(
    '42263c6e89f4fc28b8df68ee09799f15',
  );
});

test.each(rfc.kdf.vectors)('RFC 8009 A: KDF-HMAC-SHA2, $hash, $purpose', ({ hash, key, purpose, derived }) => {
  expect(toHex(kdfHmacSha2(hash, fromHex(key), derivationConstant(2, purpose), derived.length / 2))).toBe(derived);
});

test.each(rfc.encryption.vectors)('RFC 8009 A: encryption, type $etype, $text', (vector) => {
  const use = findProfile(vector.etype)!.use(fromHex(vector.key), 2);
  expect(toHex(use.encrypt(fromHex(vector.text), fromHex(vector.confounder)))).toBe(vector.encrypted);
  expect(toHex(use.decrypt(fromHex(vector.encrypted)))).toBe(vector.text);
});

test.each(rfc.checksum.vectors)('RFC 8009 A: checksum, type $etype', ({ etype, key, text: input, checksum }) => {
  expect(findProfile(etype)!.use(fromHex(key), 2).checksum(fromHex(input))).toEqual(fromHex(checksum));
});

test.each(mit.vectors)('MIT: type $etype, usage $usage', ({ etype, key, usage, text: input, encrypted, checksum }) => {
  const use = findProfile(etype)!.use(fromHex(key), usage);
  expect(toHex(use.decrypt(fromHex(encrypted)))).toBe(input);
  expect(toHex(use.checksum(fromHex(input)))).toBe(checksum);
});

describe.each([17, 18, 19, 20, 23])('type %i', (etype) => {
  const profile = findProfile(etype)!;
  const key = new Uint8Array(profile.keyLength).fill(7);
  const confounder = new Uint8Array(profile.confounderLength).fill(9);

  test('texts survive; under another key or usage, changed or cut they are refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(), fc.integer({ min: 1, max: 255 }), (input, at, change) => {
        const sealed = profile.use(key, 7).encrypt(input, confounder);
        expect(profile.use(key, 7).decrypt(sealed)).toEqual(input);
        const changed = sealed.slice();
        changed[at % changed.length]! ^= change;
        const refusals = [
          () =>
            profile
              .use(
                key.map((octet) => octet ^ 1),
                7,
              )
              .decrypt(sealed),
          () => profile.use(key, 8).decrypt(sealed),
          () => profile.use(key, 7).decrypt(changed),
          () => profile.use(key, 7).decrypt(sealed.subarray(0, at % sealed.length)),
        ];
        for (const refusal of refusals) {
          expect(refusal).toThrow(expect.objectContaining({ code: 'auth/bad-signature', kind: 'remote' }));
        }
      }),
      { numRuns: 40 },
    );
  });
});

describe.each([17, 18, 19, 20])('parts in place, type %i', (etype) => {
  const profile = findAesProfile(etype)!;
  const use = profile.use(new Uint8Array(profile.keyLength).fill(7), 24);
  const confounder = new Uint8Array(16).fill(9);
  const part = fc.record({ bytes: fc.uint8Array({ maxLength: 40 }), encrypt: fc.boolean() });

  test('come back; what is not encrypted is covered all the same', () => {
    fc.assert(
      fc.property(fc.array(part, { maxLength: 5 }), (parts) => {
        const sealed = use.seal(parts, confounder);
        const flags = parts.map(({ encrypt }) => encrypt);
        expect(sealed.parts.map(({ length }) => length)).toEqual(parts.map(({ bytes }) => bytes.length));
        expect(use.open(sealed, flags)).toEqual(parts.map(({ bytes }) => bytes));
        for (const [i, { bytes, encrypt }] of parts.entries()) {
          if (!encrypt) expect(sealed.parts[i]).toEqual(bytes);
          if (bytes.length === 0) continue;
          const changed = sealed.parts.map((octets, j) => (i === j ? octets.map((octet) => octet ^ 1) : octets));
          expect(() => use.open({ ...sealed, parts: changed }, flags)).toThrow(/integrity/);
        }
      }),
      { numRuns: 40 },
    );
  });
});

test('rc4-hmac is there only when it is asked for', () => {
  expect(allowedEtypes()).toEqual([20, 19, 18, 17]);
  expect(allowedEtypes(true)).toEqual([20, 19, 18, 17, 23]);
  expect(findAesProfile(23)).toBeUndefined();
});

test('keys must have their type’s length', () => {
  expect(() => profileOf({ etype: 18, value: new Uint8Array(16) })).toThrow(/length/);
  expect(() => profileOf({ etype: 3, value: new Uint8Array(8) })).toThrow(/not supported/);
});
