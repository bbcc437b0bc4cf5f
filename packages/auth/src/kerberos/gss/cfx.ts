import { CarmineError } from '@carmine/errors';
import { ByteReader, ByteWriter, concatBytes } from '@carmine/wire';
import { equalSecrets } from '../../crypto/digest.ts';
import { keyUsages } from '../crypto/key-usages.ts';
import type { AesKeyInUse, AesProfile, EncryptionKey, ProtectedPart } from '../crypto/profile.ts';
import { findAesProfile } from '../crypto/profiles.ts';
import { kerberosPolicy } from '../errors.ts';

export type Side = 'initiator' | 'acceptor';

export interface CfxChannelOptions {
  readonly key: EncryptionKey;
  /** Who sends on this channel. */
  readonly sender: Side;
  /** Whether `key` is the subkey that the acceptor chose. */
  readonly acceptorSubkey: boolean;
  /** Decides the filler and the rotation of sealed messages. */
  readonly dceStyle: boolean;
  readonly firstSequenceNumber: number;
}

/** A sealed message whose parts keep their places: `header` is all that does not fit there. */
export interface SealedParts {
  readonly header: Uint8Array;
  readonly parts: readonly Uint8Array[];
}

/**
 * Per-message tokens in one direction, RFC 4121 section 4.2. Sequence numbers must come in order; both ends hold one
 * channel per direction.
 *
 *     MIC   0404 | flags | ff×5 | seq:8 | checksum(data | the first 16 octets)
 *     Wrap  0504 | flags | ff | EC:2 | RRC:2 | seq:8 | rotated(encrypted(data | filler | header) | checksum)
 *
 * Sealing in place, as RPC and WS-Management want it ([MS-KILE] 3.4.5.4.1), is Wrap with a rotation that brings all but
 * the data in front of it:
 *
 *     header  0504 … | encrypted(filler | header) | checksum | encrypted(confounder)        parts  encrypted data
 *
 * In DCE style the filler is 16 octets (EC = 16) and RRC leaves it out of the count; otherwise there is none.
 */
export class CfxChannel {
  readonly #options: CfxChannelOptions;
  readonly #profile: AesProfile;
  readonly #seal: AesKeyInUse;
  readonly #sign: AesKeyInUse;
  readonly #flags: number;
  #sequence: bigint;

  constructor(options: CfxChannelOptions) {
    const profile = findAesProfile(options.key.etype);
    if (profile === undefined || options.key.value.length !== profile.keyLength) {
      // RFC 4121 section 1 leaves the messages of older types to RFC 1964 and RFC 4757.
      throw kerberosPolicy(`messages cannot be protected with encryption type ${options.key.etype}`);
    }
    this.#options = options;
    this.#profile = profile;
    const initiator = options.sender === 'initiator';
    const { key } = options;
    this.#seal = profile.use(key.value, initiator ? keyUsages.initiatorSeal : keyUsages.acceptorSeal);
    this.#sign = profile.use(key.value, initiator ? keyUsages.initiatorSign : keyUsages.acceptorSign);
    this.#flags = (initiator ? 0 : flagBits.sentByAcceptor) | (options.acceptorSubkey ? flagBits.acceptorSubkey : 0);
    this.#sequence = BigInt(options.firstSequenceNumber);
  }

  /** Octets of a MIC. */
  get micLength(): number {
    return headerLength + this.#profile.checksumLength;
  }

  /** Octets of the header of sealed parts: 76 for AES with SHA-1 in DCE style, 60 otherwise. */
  get sealedHeaderLength(): number {
    return 2 * headerLength + this.#fillerLength + this.#profile.checksumLength + this.#profile.confounderLength;
  }

  sign(...data: readonly Uint8Array[]): Uint8Array {
    const header = this.#micHeader();
    this.#sequence++;
    return concatBytes(header, this.#sign.checksum(...data, header));
  }

  /** Throws `auth/bad-signature`. */
  verify(mic: Uint8Array, ...data: readonly Uint8Array[]): void {
    const header = this.#micHeader();
    const wanted = concatBytes(header, this.#sign.checksum(...data, header));
    if (!equalSecrets(wanted, mic)) throw badSignature();
    this.#sequence++;
  }

  seal(parts: readonly ProtectedPart[], confounder: Uint8Array): SealedParts {
    const filler = this.#fillerLength;
    const header = this.#wrapHeader(filler, 0);
    const tail = concatBytes(new Uint8Array(filler).fill(0xff), header);
    const sealed = this.#seal.seal([...parts, { bytes: tail, encrypt: true }], confounder);
    const rotation = tail.length + this.#profile.checksumLength;
    const rrc = this.#options.dceStyle ? rotation - filler : rotation;
    const finalHeader = this.#wrapHeader(filler, rrc);
    this.#sequence++;
    return {
      header: concatBytes(finalHeader, sealed.parts.at(-1)!, sealed.checksum, sealed.confounder),
      parts: sealed.parts.slice(0, -1),
    };
  }

  /** `encrypted` says of each part whether it is; returns all of them plain. Throws `auth/bad-signature`. */
  open(sealed: SealedParts, encrypted: readonly boolean[]): readonly Uint8Array[] {
    const reader = this.#readWrapHeader(sealed.header);
    // QUIRK: whether the rotation counts the filler depends on the peer and the style (RFC 4121 section 4.2.5 says it
    // does); what is in front of the data is where it is, so either count is right.
    const rotation = sealed.header.length - headerLength - this.#profile.confounderLength;
    if (rotation !== headerLength + reader.ec + this.#profile.checksumLength) throw badSignature();
    if (reader.rrc !== rotation && reader.rrc !== rotation - reader.ec) throw badSignature();
    const tail = sealed.header.subarray(headerLength, 2 * headerLength + reader.ec);
    const checksum = sealed.header.subarray(2 * headerLength + reader.ec, headerLength + rotation);
    const confounder = sealed.header.subarray(headerLength + rotation);
    return this.#open({ confounder, parts: [...sealed.parts, tail], checksum }, [...encrypted, true], reader.ec);
  }

  /** One token with the data inside, as gss_wrap makes it. */
  sealToken(data: Uint8Array, confounder: Uint8Array): Uint8Array {
    const header = this.#wrapHeader(0, 0);
    const tail = { bytes: header, encrypt: true };
    const sealed = this.#seal.seal([{ bytes: data, encrypt: true }, tail], confounder);
    this.#sequence++;
    return concatBytes(header, sealed.confounder, ...sealed.parts, sealed.checksum);
  }

  /** Whatever its rotation. Throws `auth/bad-signature`. */
  openToken(token: Uint8Array): Uint8Array {
    const { ec, rrc } = this.#readWrapHeader(token);
    const rotated = token.subarray(headerLength);
    if (rotated.length === 0) throw badSignature();
    const start = rrc % rotated.length;
    const text = concatBytes(rotated.subarray(start), rotated.subarray(0, start));
    const { confounderLength, checksumLength } = this.#profile;
    const dataEnd = text.length - checksumLength - headerLength - ec;
    if (dataEnd < confounderLength) throw badSignature();
    const checksumStart = text.length - checksumLength;
    const parts = [text.subarray(confounderLength, dataEnd), text.subarray(dataEnd, checksumStart)];
    const sealed = { confounder: text.subarray(0, confounderLength), parts, checksum: text.subarray(checksumStart) };
    return this.#open(sealed, [true, true], ec)[0]!;
  }

  #open(
    sealed: { confounder: Uint8Array; parts: readonly Uint8Array[]; checksum: Uint8Array },
    encrypted: readonly boolean[],
    ec: number,
  ): readonly Uint8Array[] {
    const opened = this.#seal.open(sealed, encrypted);
    // RFC 4121 section 4.2.4: the receiver compares the encrypted copy of the header, whose RRC is zero, with the one
    // in clear.
    const copy = opened.at(-1)!.subarray(ec);
    if (!equalSecrets(copy, this.#wrapHeader(ec, 0))) throw badSignature();
    this.#sequence++;
    return opened.slice(0, -1);
  }

  #readWrapHeader(token: Uint8Array): { readonly ec: number; readonly rrc: number } {
    if (token.length < headerLength) throw badSignature();
    const reader = new ByteReader(token, { littleEndian: false });
    reader.skip(4);
    const [ec, rrc] = [reader.u16(), reader.u16()];
    if (!equalSecrets(token.subarray(0, headerLength), this.#wrapHeader(ec, rrc))) throw badSignature();
    return { ec, rrc };
  }

  get #fillerLength(): number {
    return this.#options.dceStyle ? 16 : 0;
  }

  #micHeader(): Uint8Array {
    const writer = new ByteWriter({ littleEndian: false });
    return writer.u16(0x0404).u8(this.#flags).bytes(new Uint8Array(5).fill(0xff)).u64(this.#sequence).toBytes();
  }

  #wrapHeader(ec: number, rrc: number): Uint8Array {
    const writer = new ByteWriter({ littleEndian: false });
    writer.u16(0x0504).u8(this.#flags | flagBits.sealed);
    return writer.u8(0xff).u16(ec).u16(rrc).u64(this.#sequence).toBytes();
  }
}

function badSignature(): CarmineError {
  return new CarmineError('auth/bad-signature');
}

const headerLength = 16;

/** RFC 4121 section 4.2.2. */
const flagBits = { sentByAcceptor: 1, sealed: 2, acceptorSubkey: 4 } as const;
