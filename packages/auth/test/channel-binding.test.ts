import { isCarmineError } from '@carmine/errors';
import { fromHex, toHex } from '@carmine/testkit';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { channelBindingHash } from '../src/channel-binding.ts';
import { tlsServerEndPoint } from '../src/index.ts';
import { golden } from './support.ts';

const { certificates } = golden<{ certificates: { name: string; hash: string; der: string }[] }>('certificates.json');

test.each(certificates.map(({ name, hash, der }) => [name, hash, der] as const))('RFC 5929: %s', (_, hash, der) => {
  const prefix = toHex(new TextEncoder().encode('tls-server-end-point:'));
  expect(toHex(tlsServerEndPoint(fromHex(der)))).toBe(prefix + hash);
});

test('MD5 of the structure: zero addresses, length, application data', () => {
  // md5 of 16 zero octets, 04000000, "test", computed with coreutils' md5sum.
  expect(toHex(channelBindingHash(new TextEncoder().encode('test')))).toBe('6252d6eafbbaed8937914ec84dc4365d');
});

test('property: what is no certificate fails as the peer’s fault', () => {
  const real = fromHex(certificates[0]!.der);
  const damaged = fc
    .array(fc.tuple(fc.nat(real.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
    .map((changes) => {
      const bytes = real.slice();
      for (const [position, value] of changes) bytes[position] = value;
      return bytes;
    });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 64 }), damaged), (bytes) => {
      try {
        tlsServerEndPoint(bytes);
      } catch (error) {
        expect(isCarmineError(error) && error.kind).toBe('remote');
      }
    }),
  );
});
