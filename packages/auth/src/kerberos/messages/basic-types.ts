import { CarmineError } from '@carmine/errors';
import {
  type DerCodec,
  type DerValueOf,
  derElement,
  derFields,
  derInteger,
  derListOf,
  derOctets,
  derRange,
  derTags,
} from '@carmine/wire/der';

/** RFC 4120 section 5.2.4. */
export const int32 = derRange('Int32', -0x8000_0000, 0x7fff_ffff);
export const microseconds = derRange('Microseconds', 0, 999_999);

/**
 * RFC 4120 section 5.2.4. QUIRK: some peers write the upper half as negative numbers; they are read as the same 32
 * bits.
 */
export const uint32: DerCodec<number> = {
  name: 'UInt32',
  write: (value) => derInteger(value),
  read(reader) {
    const value = reader.integer();
    if (value < -0x8000_0000n || value > 0xffff_ffffn) throw invalid('UInt32', `${value} is out of range`);
    return Number(BigInt.asUintN(32, value));
  },
};

/**
 * KerberosString, RFC 4120 section 5.2.1: GeneralString. UNSPECIFIED: beyond ASCII it is UTF-8, as all peers send it.
 */
export const kerberosString: DerCodec<string> = {
  name: 'KerberosString',
  write: (value) => derElement(derTags.generalString, new TextEncoder().encode(value)),
  read(reader) {
    const contents = reader.expect(derTags.generalString);
    if (contents.length > maxString) {
      throw new CarmineError('wire/limit', {
        context: { what: 'KerberosString', actual: contents.length, limit: maxString },
      });
    }
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(contents);
    } catch {
      throw invalid('KerberosString', 'not UTF-8');
    }
  },
};

/** A KerberosString whose octets count, not its characters: a salt. */
export const kerberosOctets: DerCodec<Uint8Array> = {
  name: 'KerberosString',
  write: (value) => derElement(derTags.generalString, value),
  read: (reader) => reader.expect(derTags.generalString).slice(),
};

/** KerberosFlags, RFC 4120 section 5.2.8: at least 32 bits, bit 0 is the highest. Further bits are ignored. */
export const kerberosFlags: DerCodec<number> = {
  name: 'KerberosFlags',
  write(value) {
    const contents = new Uint8Array(5);
    new DataView(contents.buffer).setUint32(1, value);
    return derElement(derTags.bitString, contents);
  },
  read(reader) {
    const contents = reader.expect(derTags.bitString);
    const unused = contents[0];
    if (unused === undefined || unused > 7) throw invalid('KerberosFlags', 'not a BIT STRING');
    const bits = new Uint8Array(4);
    bits.set(contents.subarray(1, 5));
    return new DataView(bits.buffer).getUint32(0);
  },
};

export const derBool: DerCodec<boolean> = {
  name: 'BOOLEAN',
  write: (value) => derElement(derTags.boolean, Uint8Array.of(value ? 0xff : 0)),
  read: (reader) => reader.boolean(),
};

/** RFC 4120 section 5.2.9. */
export const encryptionKey = derFields('EncryptionKey', [
  ['keytype', 0, int32],
  ['keyvalue', 1, derOctets],
]);

export const checksum = derFields('Checksum', [
  ['cksumtype', 0, int32],
  ['checksum', 1, derOctets],
]);

export const encryptedData = derFields('EncryptedData', [
  ['etype', 0, int32],
  ['kvno', 1, uint32, 'optional'],
  ['cipher', 2, derOctets],
]);
export type EncryptedData = DerValueOf<typeof encryptedData>;

/** RFC 4120 section 5.2.5. */
export const hostAddresses = derListOf(
  derFields('HostAddress', [
    ['addrType', 0, int32],
    ['address', 1, derOctets],
  ]),
  64,
);

function invalid(what: string, reason: string): CarmineError {
  return new CarmineError('wire/invalid', { context: { what, reason } });
}

const maxString = 4096;
