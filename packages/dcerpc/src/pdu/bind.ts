import { ByteWriter } from '@carmine/wire';
import { bodyReader, malformed, type Pdu } from './header.ts';
import { type SyntaxId, syntaxId } from './syntax.ts';

/** p_cont_elem_t, C706 12.6.3.1. */
export interface ContextElement {
  readonly contextId: number;
  readonly abstractSyntax: SyntaxId;
  readonly transferSyntaxes: readonly SyntaxId[];
}

/** The body of bind and alter_context, C706 12.6.4.3, 12.6.4.1. */
export interface BindBody {
  readonly maxTransmit: number;
  readonly maxReceive: number;
  readonly associationGroup: number;
  readonly contexts: readonly ContextElement[];
}

/** p_result_t: `result` 0 acceptance, 2 provider rejection, 3 negotiate_ack, of which `reason` is the bit mask. */
export interface ContextResult {
  readonly result: number;
  readonly reason: number;
  readonly transferSyntax: SyntaxId;
}

export const contextResults = { acceptance: 0, userRejection: 1, providerRejection: 2, negotiateAck: 3 } as const;
export const rejectionReasons = { abstractSyntax: 1, transferSyntaxes: 2, localLimit: 3 } as const;

/** The body of bind_ack and alter_context_resp, C706 12.6.4.4, 12.6.4.2. */
export interface BindAckBody {
  readonly maxTransmit: number;
  readonly maxReceive: number;
  readonly associationGroup: number;
  /** The port as text; empty in alter_context_resp. */
  readonly secondaryAddress: string;
  readonly results: readonly ContextResult[];
}

/** provider_reject_reason, C706 12.6.3.1 and [MS-RPCE] 2.2.2.5. */
export const nakReasons = {
  notSpecified: 0,
  temporaryCongestion: 1,
  localLimit: 2,
  protocolVersion: 4,
  authenticationType: 8,
  invalidChecksum: 9,
} as const;

export function readBind(pdu: Pdu): BindBody {
  const reader = bodyReader(pdu, 'bind');
  const [maxTransmit, maxReceive, associationGroup] = [reader.u16(), reader.u16(), reader.u32()];
  const count = reader.u8();
  reader.skip(3);
  const contexts: ContextElement[] = [];
  for (let i = 0; i < count; i++) {
    const [contextId, transfers] = [reader.u16(), reader.u8()];
    reader.skip(1);
    const abstractSyntax = syntaxId.read(reader);
    const transferSyntaxes: SyntaxId[] = [];
    for (let t = 0; t < transfers; t++) transferSyntaxes.push(syntaxId.read(reader));
    contexts.push({ contextId, abstractSyntax, transferSyntaxes });
  }
  return { maxTransmit, maxReceive, associationGroup, contexts };
}

export function writeBind({ maxTransmit, maxReceive, associationGroup, contexts }: BindBody): Uint8Array {
  const writer = new ByteWriter().u16(maxTransmit).u16(maxReceive).u32(associationGroup);
  writer.u8(contexts.length).zeros(3);
  for (const { contextId, abstractSyntax, transferSyntaxes } of contexts) {
    writer.u16(contextId).u8(transferSyntaxes.length).u8(0);
    for (const syntax of [abstractSyntax, ...transferSyntaxes]) syntaxId.write(writer, syntax);
  }
  return writer.toBytes();
}

export function readBindAck(pdu: Pdu): BindAckBody {
  const reader = bodyReader(pdu, 'bind_ack');
  const [maxTransmit, maxReceive, associationGroup] = [reader.u16(), reader.u16(), reader.u32()];
  const address = reader.take(reader.u16());
  reader.skip((4 - (reader.position % 4)) % 4);
  const count = reader.u8();
  reader.skip(3);
  const results: ContextResult[] = [];
  for (let i = 0; i < count; i++)
    results.push({ result: reader.u16(), reason: reader.u16(), transferSyntax: syntaxId.read(reader) });
  const secondaryAddress = String.fromCharCode(...address.subarray(0, 256)).replace(/\0.*$/s, '');
  return { maxTransmit, maxReceive, associationGroup, secondaryAddress, results };
}

export function writeBindAck(body: BindAckBody): Uint8Array {
  const writer = new ByteWriter().u16(body.maxTransmit).u16(body.maxReceive).u32(body.associationGroup);
  const { secondaryAddress } = body;
  if (secondaryAddress === '') writer.u16(0);
  else {
    writer.u16(secondaryAddress.length + 1);
    for (const character of secondaryAddress) writer.u8(character.charCodeAt(0));
    writer.u8(0);
  }
  // The body begins at 16, so that its alignment is that of the PDU.
  writer.align(4).u8(body.results.length).zeros(3);
  for (const { result, reason, transferSyntax } of body.results) {
    writer.u16(result).u16(reason);
    syntaxId.write(writer, transferSyntax);
  }
  return writer.toBytes();
}

/** bind_nak, C706 12.6.4.5: the reason and the versions that are spoken. */
export function readBindNak(pdu: Pdu): number {
  return bodyReader(pdu, 'bind_nak').u16();
}

export function writeBindNak(reason: number): Uint8Array {
  return new ByteWriter().u16(reason).u8(1).u8(5).u8(0).toBytes();
}

/** One of each context id; a bind without contexts asks for nothing. */
export function checkBind({ contexts, maxTransmit, maxReceive }: BindBody): void {
  if (contexts.length === 0) throw malformed('no presentation contexts');
  // C706 12.6.3: every implementation takes fragments of 1432 octets.
  if (maxTransmit < minimumFragment || maxReceive < minimumFragment) throw malformed('fragment size');
}

const minimumFragment = 1432;
