import { CarmineError } from '@carmine/errors';
import {
  applicationTag,
  contextTag,
  DerReader,
  derContext,
  derElement,
  derEnumerated,
  derObjectIdentifier,
  derOctetString,
  derSequence,
  derTags,
} from '@carmine/wire/der';

/** NegTokenInit, RFC 4178 section 4.2.1. */
export interface NegTokenInit {
  readonly mechTypes: readonly string[];
  /** DER of the MechTypeList as it stood on the wire: what the mechListMIC is over. */
  readonly mechTypesDer: Uint8Array;
  readonly mechToken: Uint8Array | undefined;
  readonly mechListMic: Uint8Array | undefined;
}

export type NegState = 'accept-completed' | 'accept-incomplete' | 'reject' | 'request-mic';

/** NegTokenResp, RFC 4178 section 4.2.2. */
export interface NegTokenResp {
  readonly negState: NegState | undefined;
  readonly supportedMech?: string | undefined;
  readonly responseToken?: Uint8Array | undefined;
  readonly mechListMic?: Uint8Array | undefined;
}

/** The first octet of every InitialContextToken, RFC 2743 section 3.1. */
export function isInitialContextToken(input: Uint8Array): boolean {
  return input[0] === applicationTag(0);
}

/** DER of a MechTypeList. */
export function encodeMechTypes(mechTypes: readonly string[]): Uint8Array {
  return derSequence(...mechTypes.map(derObjectIdentifier));
}

/** An InitialContextToken with a NegTokenInit inside. */
export function encodeNegTokenInit(mechTypesDer: Uint8Array, mechToken: Uint8Array | undefined): Uint8Array {
  const fields = [derContext(0, mechTypesDer)];
  if (mechToken !== undefined) fields.push(derContext(2, derOctetString(mechToken)));
  return derElement(applicationTag(0), derObjectIdentifier(spnegoOid), derContext(0, derSequence(...fields)));
}

export function decodeNegTokenInit(input: Uint8Array): NegTokenInit {
  const outer = new DerReader(input, 'NegTokenInit');
  const token = outer.enter(applicationTag(0));
  outer.expectEnd();
  if (token.objectIdentifier() !== spnegoOid) throw invalid('NegTokenInit', 'is not of SPNEGO');
  const fields = token.enter(contextTag(0)).sequence();
  token.expectEnd();

  const first = fields.enter(contextTag(0));
  const list = first.element();
  first.expectEnd();
  if (list.tag !== derTags.sequence) throw invalid('NegTokenInit', 'mechTypes is not a SEQUENCE');
  const entries = new DerReader(list.contents, 'MechTypeList');
  const mechTypes: string[] = [];
  while (!entries.atEnd) {
    if (mechTypes.length === maxMechTypes) {
      throw new CarmineError('wire/limit', {
        context: { what: 'MechTypeList', actual: mechTypes.length + 1, limit: maxMechTypes },
      });
    }
    mechTypes.push(entries.objectIdentifier());
  }
  if (mechTypes.length === 0) throw invalid('NegTokenInit', 'mechTypes is empty');

  fields.enterIf(contextTag(1)); // reqFlags: "should be ignored" when not integrity-protected (section 4.2.1)
  const mechToken = optional(fields, 2, octets);
  // [3] is the mechListMIC of RFC 4178 and the negHints of [MS-SPNG] 2.2.1, whose MIC is [4].
  let mechListMic: Uint8Array | undefined;
  for (const number of [3, 4]) {
    const field = fields.enterIf(contextTag(number));
    if (field?.peekTag() !== derTags.octetString) continue;
    mechListMic = octets(field);
    field.expectEnd();
  }
  skipExtensions(fields, 'NegTokenInit', 4);
  return { mechTypes, mechTypesDer: list.raw.slice(), mechToken, mechListMic };
}

export function encodeNegTokenResp(token: NegTokenResp): Uint8Array {
  const fields: Uint8Array[] = [];
  if (token.negState !== undefined) fields.push(derContext(0, derEnumerated(negStates.indexOf(token.negState))));
  if (token.supportedMech !== undefined) fields.push(derContext(1, derObjectIdentifier(token.supportedMech)));
  if (token.responseToken !== undefined) fields.push(derContext(2, derOctetString(token.responseToken)));
  if (token.mechListMic !== undefined) fields.push(derContext(3, derOctetString(token.mechListMic)));
  return derContext(1, derSequence(...fields));
}

export function decodeNegTokenResp(input: Uint8Array): NegTokenResp {
  const outer = new DerReader(input, 'NegTokenResp');
  const fields = outer.enter(contextTag(1)).sequence();
  outer.expectEnd();
  const state = optional(fields, 0, (field) => field.enumerated());
  const negState = state === undefined ? undefined : negStates[state];
  if (state !== undefined && negState === undefined) throw invalid('NegTokenResp', `negState ${state}`);
  const supportedMech = optional(fields, 1, (field) => field.objectIdentifier());
  const responseToken = optional(fields, 2, octets);
  const mechListMic = optional(fields, 3, octets);
  skipExtensions(fields, 'NegTokenResp', 3);
  return { negState, supportedMech, responseToken, mechListMic };
}

/** The value of an explicitly tagged field, which is all that its tag may hold; undefined when the field is not next. */
function optional<T>(fields: DerReader, number: number, read: (field: DerReader) => T): T | undefined {
  const field = fields.enterIf(contextTag(number));
  if (field === undefined) return undefined;
  const value = read(field);
  field.expectEnd();
  return value;
}

function octets(field: DerReader): Uint8Array {
  return field.octetString().slice();
}

/** Both SEQUENCEs end in an extension marker: fields with higher numbers may follow, and nothing else. */
function skipExtensions(fields: DerReader, what: string, last: number): void {
  while (!fields.atEnd) {
    const { tag } = fields.element();
    if (tag <= contextTag(last) || tag > contextTag(30)) throw invalid(what, 'a field is twice or not in its place');
  }
}

function invalid(what: string, reason: string): CarmineError {
  return new CarmineError('wire/invalid', { context: { what, reason } });
}

const spnegoOid = '1.3.6.1.5.5.2';

/** In the order of their ENUMERATED values. */
const negStates: readonly NegState[] = ['accept-completed', 'accept-incomplete', 'reject', 'request-mic'];

/** Windows sends four. */
const maxMechTypes = 32;
