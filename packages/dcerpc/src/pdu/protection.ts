import type { RpcSecurityContext } from '@carmine/auth';
import { CarmineError } from '@carmine/errors';
import { ByteWriter, concatBytes } from '@carmine/wire';

import { headerLength, malformed, type Pdu, pduFlags, trailerLength, writeHeader, writeTrailer } from './header.ts';

/** Authentication types, [MS-RPCE] 2.2.1.1.7. */
export const authTypes = { none: 0, negotiate: 9, ntlm: 10, kerberos: 16 } as const;

/** Authentication levels, [MS-RPCE] 2.2.1.1.8. */
export const authLevels = { none: 1, connect: 2, call: 3, packet: 4, integrity: 5, privacy: 6 } as const;

/** A security context in use on a connection. */
export interface Protection {
  readonly context: RpcSecurityContext;
  readonly type: number;
  readonly level: number;
  readonly contextId: number;
  readonly headerSigning: boolean;
}

/**
 * The stub of a request or response, opened and checked ([MS-RPCE] 3.3.1.5.2.2), without its padding. Packet level is taken as
 * integrity, as Windows and Samba do. Throws `auth/bad-signature`.
 */
export function openStub(pdu: Pdu, stubStart: number, protection: Protection): Uint8Array {
  const { bytes, bodyEnd, auth } = pdu;
  if (auth === undefined || bodyEnd < stubStart) throw malformed('sec_trailer');
  const parts = {
    header: bytes.subarray(0, stubStart),
    body: bytes.subarray(stubStart, bodyEnd),
    trailer: bytes.subarray(bodyEnd, bodyEnd + trailerLength),
    headerSigning: protection.headerSigning,
  };
  if (auth.padLength > parts.body.length) throw malformed('auth_pad_length');
  const { context, level } = protection;
  let body = parts.body;
  if (level === authLevels.privacy) body = context.openPdu(parts, auth.token);
  else if (level === authLevels.connect) {
    // Nothing is protected.
  } else context.verifyPdu(parts, auth.token);
  return body.subarray(0, body.length - auth.padLength);
}

export interface StubParts {
  readonly type: number;
  readonly callId: number;
  readonly stub: Uint8Array;
  /** Octets that a fragment may have. */
  readonly maxFragment: number;
  /** Flags besides those of first and last fragment. */
  readonly flags?: number;
  readonly protection: Protection | undefined;
  /** The eight octets after the common header, and the object if there is one. */
  head(remaining: number): Uint8Array;
}

/** Request or response in as many fragments as it takes; each is signed or sealed by itself. */
export function writeFragments(parts: StubParts): Uint8Array[] {
  const { type, callId, stub, maxFragment, protection } = parts;
  const headLength = parts.head(0).length;
  const sealed = protection !== undefined && protection.level >= authLevels.packet;
  const tokenLength = sealed ? protection.context.pduTokenLength(kindOf(protection.level)) : 0;
  const overhead = headerLength + headLength + (sealed ? trailerLength + tokenLength : 0);
  // A multiple of 16, so that the sec_trailer is aligned without padding ([MS-RPCE] 2.2.2.11).
  const room = Math.floor((maxFragment - overhead) / 16) * 16;
  if (room < 16)
    throw new CarmineError('wire/unencodable', { context: { what: 'fragment', reason: `${maxFragment} octets` } });
  const fragments: Uint8Array[] = [];
  for (let at = 0; at === 0 || at < stub.length; at += room) {
    const piece = stub.subarray(at, at + room);
    const last = at + room >= stub.length;
    const flags = (at === 0 ? pduFlags.firstFragment : 0) | (last ? pduFlags.lastFragment : 0) | (parts.flags ?? 0);
    const head = parts.head(stub.length - at);
    fragments.push(
      sealed
        ? protect(type, flags, callId, head, piece, protection, tokenLength)
        : plain(type, flags, callId, head, piece),
    );
  }
  return fragments;
}

function plain(type: number, flags: number, callId: number, head: Uint8Array, stub: Uint8Array): Uint8Array {
  const writer = new ByteWriter();
  writeHeader(writer, type, flags, headerLength + head.length + stub.length, 0, callId);
  return writer.bytes(head).bytes(stub).toBytes();
}

function protect(
  type: number,
  flags: number,
  callId: number,
  head: Uint8Array,
  stub: Uint8Array,
  protection: Protection,
  tokenLength: number,
): Uint8Array {
  const padLength = (16 - (stub.length % 16)) % 16;
  const writer = new ByteWriter();
  const length = headerLength + head.length + stub.length + padLength + trailerLength + tokenLength;
  writeHeader(writer, type, flags, length, tokenLength, callId);
  const header = writer.bytes(head).toBytes();
  const body = padLength === 0 ? stub : concatBytes(stub, new Uint8Array(padLength));
  const { context, level, contextId, headerSigning } = protection;
  const trailer = writeTrailer({ type: protection.type, level, padLength, contextId });
  const pdu = { header, body, trailer, headerSigning };
  if (level === authLevels.privacy) {
    const sealed = context.sealPdu(pdu);
    return concatBytes(header, sealed.body, trailer, sealed.token);
  }
  return concatBytes(header, body, trailer, context.signPdu(pdu));
}

function kindOf(level: number): 'integrity' | 'privacy' {
  return level === authLevels.privacy ? 'privacy' : 'integrity';
}
