import { fromHex, toHex } from '@carmine/testkit';
import { describe, expect, test } from 'vitest';
import { equalSecrets, hmacMd5 } from '../src/crypto/digest.ts';
import { md4 } from '../src/crypto/md4.ts';
import { Rc4 } from '../src/crypto/rc4.ts';

const text = (value: string) => new TextEncoder().encode(value);

describe('MD4, RFC 1320 appendix A.5', () => {
  test.each([
    ['', '31d6cfe0d16ae931b73c59d7e0c089c0'],
    ['a', 'bde52cb31de33e46245e05fbdbd6fb24'],
    ['abc', 'a448017aaf21d8525fc10ae87aa6729d'],
    ['message digest', 'd9130a8164549fe818874806e1c7014b'],
    ['abcdefghijklmnopqrstuvwxyz', 'd79e1c308aa5bbcdeea8ed63df412da9'],
    ['ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789', '043f8582f241db351ce627e153e7f0e4'],
    [
      '12345678901234567890123456789012345678901234567890123456789012345678901234567890',
      'e33b4ddc9c38f2199c3e7b164fcc0536',
    ],
  ])('"%s"', (input, expected) => {
    expect(toHex(md4(text(input)))).toBe(expected);
  });
});

describe('RC4', () => {
  // RFC 6229 section 2: key stream at offset 0.
  test.each([
    ['0102030405', 'b2396305f03dc027ccc3524a0a1118a8'],
    ['0102030405060708090a0b0c0d0e0f10', '9ac7cc9a609d1ef7b2932899cde41b97'],
  ])('key stream of %s', (key, first) => {
    expect(toHex(new Rc4(fromHex(key)).apply(new Uint8Array(16)))).toBe(first);
  });

  test.each([
    ['Key', 'Plaintext', 'bbf316e8d940af0ad3'],
    ['Wiki', 'pedia', '1021bf0420'],
    ['Secret', 'Attack at dawn', '45a01f645fc35b383552544b9bf5'],
  ])('%s', (key, plain, expected) => {
    expect(toHex(new Rc4(text(key)).apply(text(plain)))).toBe(expected);
  });

  test('the state runs on, and a clone runs on by itself', () => {
    const whole = new Rc4(text('Secret')).apply(text('Attack at dawn'));
    const pieces = new Rc4(text('Secret'));
    const first = pieces.apply(text('Attack'));
    const copy = pieces.clone();
    expect(toHex(first) + toHex(pieces.apply(text(' at dawn')))).toBe(toHex(whole));
    expect(toHex(copy.apply(text(' at dawn')))).toBe(toHex(whole.subarray(6)));
  });

  test('keys must have 1 to 256 octets', () => {
    expect(() => new Rc4(new Uint8Array(0))).toThrow(RangeError);
    expect(() => new Rc4(new Uint8Array(257))).toThrow(RangeError);
  });
});

test('HMAC-MD5, RFC 2202 section 2', () => {
  expect(toHex(hmacMd5(new Uint8Array(16).fill(0x0b), text('Hi There')))).toBe('9294727a3638bb1c13f48ef8158bfc9d');
  expect(toHex(hmacMd5(text('Jefe'), text('what do ya '), text('want for nothing?')))).toBe(
    '750c783e6ab0b503eaa86e310a5db738',
  );
});

test('secrets of different lengths differ', () => {
  expect(equalSecrets(fromHex('0102'), fromHex('0102'))).toBe(true);
  expect(equalSecrets(fromHex('0102'), fromHex('0103'))).toBe(false);
  expect(equalSecrets(fromHex('0102'), fromHex('010203'))).toBe(false);
});
