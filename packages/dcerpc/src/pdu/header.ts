import { CarmineError } from '@carmine/errors';
import { ByteReader, ByteWriter } from '@carmine/wire';

/** Connection-oriented PDU types, C706 12.6.4; auth3 is [MS-RPCE] 2.2.2.10. */
export const pduTypes = {
  request: 0,
  response: 2,
  fault: 3,
  bind: 11,
  bindAck: 12,
  bindNak: 13,
  alterContext: 14,
  alterContextResponse: 15,
  auth3: 16,
  shutdown: 17,
  coCancel: 18,
  orphaned: 19,
} as const;

/** pfc_flags, C706 12.6.3.1. 0x04 has two meanings: in PDUs of the bind family it is [MS-RPCE] 2.2.2.3's header signing. */
export const pduFlags = {
  firstFragment: 0x01,
  lastFragment: 0x02,
  pendingCancel: 0x04,
  headerSigning: 0x04,
  concurrentMultiplexing: 0x10,
  didNotExecute: 0x20,
  objectUuid: 0x80,
} as const;

export const headerLength = 16;
export const trailerLength = 8;

/** What all PDUs begin with, and sec_trailer and token of those that have them. Byte arrays are views of the PDU. */
export interface Pdu {
  readonly type: number;
  readonly flags: number;
  readonly littleEndian: boolean;
  readonly callId: number;
  /** All of it. */
  readonly bytes: Uint8Array;
  /** Where the sec_trailer begins, or the PDU ends. */
  readonly bodyEnd: number;
  readonly auth: AuthTrailer | undefined;
}

/** sec_trailer and token, [MS-RPCE] 2.2.2.11. */
export interface AuthTrailer {
  readonly type: number;
  readonly level: number;
  /** Octets of padding before the sec_trailer. */
  readonly padLength: number;
  readonly contextId: number;
  readonly token: Uint8Array;
}

/**
 * Takes one whole PDU apart (C706 12.6.3.1):
 *
 *     u8 5 | u8 0 | u8 type | u8 flags | drep[4] | u16 frag_length | u16 auth_length | u32 call_id | body | sec_trailer | token
 *
 * Throws `rpc/malformed`; the version is the caller's to check, since a bind of another one has an answer.
 */
export function readPdu(bytes: Uint8Array): Pdu {
  const littleEndian = isLittleEndian(bytes);
  const reader = new ByteReader(bytes, { what: 'PDU', littleEndian });
  reader.skip(2);
  const [type, flags] = [reader.u8(), reader.u8()];
  const [, float] = [reader.u8(), reader.u8()];
  if (float !== 0) throw malformed('floating point that is not IEEE');
  reader.skip(2);
  const [length, authLength, callId] = [reader.u16(), reader.u16(), reader.u32()];
  if (length !== bytes.length) throw malformed('frag_length');
  if (authLength === 0) return { type, flags, littleEndian, callId, bytes, bodyEnd: length, auth: undefined };
  const bodyEnd = length - authLength - trailerLength;
  if (bodyEnd < headerLength) throw malformed('auth_length');
  reader.seek(bodyEnd);
  const [authType, level, padLength] = [reader.u8(), reader.u8(), reader.u8()];
  reader.skip(1);
  const contextId = reader.u32();
  if (padLength > bodyEnd - headerLength) throw malformed('auth_pad_length');
  const auth = { type: authType, level, padLength, contextId, token: reader.take(authLength) };
  return { type, flags, littleEndian, callId, bytes, bodyEnd, auth };
}

/** A reader over the body of a PDU whose body is not protected; positions count from the start of the PDU. */
export function bodyReader(pdu: Pdu, what: string): ByteReader {
  const end = pdu.bodyEnd - (pdu.auth?.padLength ?? 0);
  const reader = new ByteReader(pdu.bytes.subarray(0, end), { what, littleEndian: pdu.littleEndian });
  reader.skip(headerLength);
  return reader;
}

export interface PduParts {
  readonly type: number;
  readonly flags: number;
  readonly callId: number;
  readonly body: Uint8Array;
  /** For PDUs that carry a token in the clear: those of the bind family. */
  readonly auth?: Omit<AuthTrailer, 'padLength'> | undefined;
}

/** Writes a PDU; with `auth` the body is padded to 4 octets, as all peers do in PDUs of the bind family. */
export function writePdu({ type, flags, callId, body, auth }: PduParts): Uint8Array {
  const writer = new ByteWriter();
  const padLength = auth === undefined ? 0 : (4 - (body.length % 4)) % 4;
  const tail = auth === undefined ? 0 : padLength + trailerLength + auth.token.length;
  writeHeader(writer, type, flags, headerLength + body.length + tail, auth?.token.length ?? 0, callId);
  writer.bytes(body);
  if (auth !== undefined)
    writer
      .zeros(padLength)
      .bytes(writeTrailer({ ...auth, padLength }))
      .bytes(auth.token);
  return writer.toBytes();
}

export function writeHeader(
  writer: ByteWriter,
  type: number,
  flags: number,
  length: number,
  authLength: number,
  callId: number,
): void {
  writer.u8(5).u8(0).u8(type).u8(flags).bytes(nativeRepresentation).u16(length).u16(authLength).u32(callId);
}

export function writeTrailer(auth: Omit<AuthTrailer, 'token'>): Uint8Array {
  const writer = new ByteWriter();
  return writer.u8(auth.type).u8(auth.level).u8(auth.padLength).u8(0).u32(auth.contextId).toBytes();
}

/** packed_drep: high nibble of the first octet, C706 14.1; EBCDIC is refused. */
export function isLittleEndian(bytes: Uint8Array): boolean {
  const format = bytes[4] ?? 0;
  if ((format & 0x0f) !== 0 || format >>> 4 > 1) throw malformed('data representation');
  return format === 0x10;
}

export function malformed(reason: string): CarmineError {
  return new CarmineError('rpc/malformed', { context: { reason } });
}

/** Little-endian, ASCII, IEEE. */
export const nativeRepresentation = Uint8Array.of(0x10, 0, 0, 0);
