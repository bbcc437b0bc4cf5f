import { ByteReader, ByteWriter, guid } from '@carmine/wire';
import { headerLength, type Pdu, pduFlags, pduTypes } from './header.ts';

/** Head of a request, C706 12.6.4.9. */
export interface RequestHead {
  readonly allocHint: number;
  readonly contextId: number;
  readonly opnum: number;
  readonly object: string | undefined;
}

/** Where the stub of a response begins; also that of a request without an object. */
export const responseHeadEnd = 24;

/** `stubStart`: where the stub begins in the PDU. */
export function readRequestHead(pdu: Pdu): RequestHead & { readonly stubStart: number } {
  const reader = headReader(pdu, 'request');
  const [allocHint, contextId, opnum] = [reader.u32(), reader.u16(), reader.u16()];
  const object = (pdu.flags & pduFlags.objectUuid) === 0 ? undefined : guid.read(reader);
  return { allocHint, contextId, opnum, object, stubStart: reader.position };
}

export function writeRequestHead({ allocHint, contextId, opnum, object }: RequestHead): Uint8Array {
  const writer = new ByteWriter().u32(allocHint).u16(contextId).u16(opnum);
  if (object !== undefined) guid.write(writer, object);
  return writer.toBytes();
}

/** Head of a response, C706 12.6.4.10. */
export interface ResponseHead {
  readonly allocHint: number;
  readonly contextId: number;
  readonly cancelCount: number;
}

export function readResponseHead(pdu: Pdu): ResponseHead {
  const reader = headReader(pdu, 'response');
  return { allocHint: reader.u32(), contextId: reader.u16(), cancelCount: reader.u8() };
}

export function writeResponseHead({ allocHint, contextId, cancelCount }: ResponseHead): Uint8Array {
  return new ByteWriter().u32(allocHint).u16(contextId).u8(cancelCount).u8(0).toBytes();
}

/** The status of a fault, C706 12.6.4.7. */
export function readFault(pdu: Pdu): number {
  const reader = headReader(pdu, 'fault');
  reader.skip(8);
  return reader.u32();
}

/** A fault, unprotected, as Windows and Samba send it. */
export function writeFault(callId: number, contextId: number, status: number, flags = 0): Uint8Array {
  const body = new ByteWriter().u32(32).u16(contextId).u8(0).u8(0).u32(status).u32(0).toBytes();
  const writer = new ByteWriter();
  const all = pduFlags.firstFragment | pduFlags.lastFragment | flags;
  writer
    .u8(5)
    .u8(0)
    .u8(pduTypes.fault)
    .u8(all)
    .bytes(Uint8Array.of(0x10, 0, 0, 0));
  return writer
    .u16(headerLength + body.length)
    .u16(0)
    .u32(callId)
    .bytes(body)
    .toBytes();
}

function headReader(pdu: Pdu, what: string): ByteReader {
  const reader = new ByteReader(pdu.bytes.subarray(0, pdu.bodyEnd), { what, littleEndian: pdu.littleEndian });
  reader.skip(headerLength);
  return reader;
}
