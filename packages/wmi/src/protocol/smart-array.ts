import { CarmineError } from '@carmine/errors';
import { ByteReader, ByteWriter, concatBytes, guid } from '@carmine/wire';
import { decodeBlock, decodeInstanceWithoutClass, encodeBlock, encodeInstanceWithoutClass } from '../wmio/object.ts';
import type { WmioClassPart, WmioObject } from '../wmio/types.ts';

/**
 * ObjectArray of smart enumeration, [MS-WMI] 2.2.14, without any alignment:
 *
 *     u32 0 | "WBEMDATA" | u32 0x1A | u32 size1 | u32 0 | u8 1 | u8 type | u32 8 | u32 size2 | u32 12 | u32 size3 | u32 count | objects
 *     object: u32 9 | u32 size | u8 kind | u32 header | u32 n | [GUID class] | octets
 *
 * The first instance of a class carries it, with a number that later ones in the same array refer to.
 */
export function writeSmartArray(objects: readonly WmioObject[], newGuid: () => string): Uint8Array {
  const known = new Map<WmioClassPart, string>();
  const parts = objects.map((object) => {
    if (object.kind === 'class') {
      const block = encodeBlock(object);
      return frame(kinds.class, new ByteWriter().u32(8).u32(block.length).toBytes(), block);
    }
    const classId = known.get(object.current);
    if (classId !== undefined) return frame(kinds.instance, ...withClass(classId, encodeInstanceWithoutClass(object)));
    const first = newGuid();
    known.set(object.current, first);
    return frame(kinds.instanceWithClass, ...withClass(first, encodeBlock(object)));
  });
  const body = concatBytes(...parts);
  const inner = new ByteWriter().u32(12).u32(body.length).u32(objects.length).toBytes();
  const middle = new ByteWriter()
    .u32(8)
    .u32(inner.length + body.length)
    .toBytes();
  const writer = new ByteWriter().u32(0);
  for (const character of signature) writer.u8(character.charCodeAt(0));
  writer
    .u32(headerLength)
    .u32(middle.length + inner.length + body.length)
    .u32(0)
    .u8(1)
    .u8(smartEnumType);
  return concatBytes(writer.toBytes(), middle, inner, body);
}

/** `known`: classes by their number, which a reader keeps over calls: some servers refer to classes of earlier ones. */
export function readSmartArray(bytes: Uint8Array, known: Map<string, WmioClassPart>): WmioObject[] {
  const reader = new ByteReader(bytes, { what: 'ObjectArray' });
  reader.skip(4);
  if (String.fromCharCode(...reader.take(8)) !== signature) throw invalid('signature');
  reader.skip(14);
  reader.skip(8);
  if (reader.u32() !== 12) throw invalid('header');
  reader.skip(4);
  const count = reader.u32();
  if (count > reader.remaining / 17) throw invalid('number of objects');
  const objects: WmioObject[] = [];
  for (let i = 0; i < count; i++) {
    reader.skip(4);
    const size = reader.u32();
    const kind = reader.u8();
    const object = reader.sub(size, 'object');
    object.skip(4);
    const length = object.u32();
    if (kind === kinds.class) {
      objects.push(decodeBlock(object.take(length)));
      continue;
    }
    const classId = guid.read(object);
    if (kind === kinds.instanceWithClass) {
      const read = decodeBlock(object.take(length));
      known.set(classId, read.current);
      objects.push(read);
    } else if (kind === kinds.instance) {
      const part = known.get(classId);
      if (part === undefined) throw invalid('a class that was not sent');
      objects.push(decodeInstanceWithoutClass(object.take(length), part));
    } else throw invalid(`kind ${kind}`);
  }
  return objects;
}

function withClass(classId: string, octets: Uint8Array): readonly [Uint8Array, Uint8Array] {
  const writer = new ByteWriter().u32(0x18).u32(octets.length);
  guid.write(writer, classId);
  return [writer.toBytes(), octets];
}

function frame(kind: number, header: Uint8Array, octets: Uint8Array): Uint8Array {
  const head = new ByteWriter()
    .u32(9)
    .u32(header.length + octets.length)
    .u8(kind)
    .toBytes();
  return concatBytes(head, header, octets);
}

function invalid(reason: string): CarmineError {
  return new CarmineError('wmi/invalid-object', { context: { reason: `ObjectArray: ${reason}` } });
}

const signature = 'WBEMDATA';
const headerLength = 0x1a;
const smartEnumType = 1;
const kinds = { class: 1, instanceWithClass: 2, instance: 3 } as const;
