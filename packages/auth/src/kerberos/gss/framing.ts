import { equalBytes } from '@carmine/wire';
import { applicationTag, DerReader, derElement, derObjectIdentifier, derTags } from '@carmine/wire/der';
import { kerberosProtocol } from '../errors.ts';

/** RFC 4121 section 4.1, and Windows' own number for the same mechanism ([MS-KILE] 3.1.5.2, [MS-SPNG] 1.9). */
export const kerberosOid = '1.2.840.113554.1.2.2';
export const microsoftKerberosOid = '1.2.840.48018.1.2.2';

/** TOK_ID of context tokens, RFC 4121 section 4.1. */
export type ContextTokenKind = 'ap-req' | 'ap-rep' | 'error';

export interface ContextToken {
  readonly kind: ContextTokenKind;
  readonly message: Uint8Array;
  /** Whether the message stood in the frame of RFC 2743; DCE style does without. */
  readonly framed: boolean;
}

/**
 * InitialContextToken, RFC 2743 section 3.1, with the two octets of the token's kind (RFC 4121 section 4.1):
 *
 *     60 length | 06 09 2a864886f712010202 | TOK_ID | message
 */
export function frameToken(kind: ContextTokenKind, message: Uint8Array): Uint8Array {
  return derElement(applicationTag(0), derObjectIdentifier(kerberosOid), Uint8Array.of(...tokenIds[kind]), message);
}

/** A framed token or a message as it is. Throws `auth/protocol` and `wire/*`. */
export function readToken(input: Uint8Array): ContextToken {
  const raw = rawTags.get(input[0] ?? 0);
  if (raw !== undefined) return { kind: raw, message: input, framed: false };
  const outer = new DerReader(input, 'Kerberos token');
  const contents = outer.expect(applicationTag(0));
  outer.expectEnd();
  const inner = new DerReader(contents, 'Kerberos token');
  if (inner.peekTag() !== derTags.objectIdentifier) throw kerberosProtocol('the token names no mechanism');
  const oid = inner.element();
  if (!isKerberosOid(oid.contents)) throw kerberosProtocol('the token is of another mechanism');
  const rest = contents.subarray(oid.raw.length);
  const kind = kinds.find((candidate) => tokenIds[candidate].every((octet, i) => octet === rest[i]));
  if (kind === undefined) throw kerberosProtocol('not a context token');
  return { kind, message: rest.subarray(2), framed: true };
}

/** Whether a token is of this mechanism, without SPNEGO around it. */
export function isKerberosToken(input: Uint8Array): boolean {
  if (rawTags.has(input[0] ?? 0)) return true;
  if (input[0] !== applicationTag(0)) return false;
  try {
    const reader = new DerReader(new DerReader(input).expect(applicationTag(0)));
    return reader.peekTag() === derTags.objectIdentifier && isKerberosOid(reader.element().contents);
  } catch {
    return false;
  }
}

function isKerberosOid(contents: Uint8Array): boolean {
  return [kerberosOid, microsoftKerberosOid].some((oid) => {
    const wanted = derObjectIdentifier(oid).subarray(2);
    return equalBytes(contents, wanted);
  });
}

const tokenIds: Record<ContextTokenKind, readonly [number, number]> = {
  'ap-req': [1, 0],
  'ap-rep': [2, 0],
  error: [3, 0],
};
const kinds: readonly ContextTokenKind[] = ['ap-req', 'ap-rep', 'error'];

/** Application tags of the messages, RFC 4120 section 5.10. */
const rawTags = new Map<number, ContextTokenKind>([
  [applicationTag(14), 'ap-req'],
  [applicationTag(15), 'ap-rep'],
  [applicationTag(30), 'error'],
]);
