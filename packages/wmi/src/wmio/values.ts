import { type ByteReader, ByteWriter } from '@carmine/wire';
import { type HeapReader, type HeapWriter, invalid } from './heap.ts';
import { nullReference } from './strings.ts';
import { arrayFlag, type WmioObject, type WmioValue, wmioTypes } from './types.ts';

/** How objects in a heap are read and written: object.ts gives it, so that this file need not know it. */
export interface ObjectCodec {
  read(reader: ByteReader, heap: HeapReader): WmioObject;
  write(object: WmioObject): Uint8Array;
}

/** Octets of a value's slot ([MS-WMIO] 2.2.71): what is not of a fixed size has a reference. */
export function slotSize(type: number): number {
  return (type & arrayFlag) === 0 ? (fixedSizes[type] ?? 4) : 4;
}

/** Whether the slot has a reference into the heap. */
export function isReference(type: number): boolean {
  return (type & arrayFlag) !== 0 || heapTypes.has(type);
}

export function isKnownType(type: number): boolean {
  const base = type & ~arrayFlag;
  return fixedSizes[base] !== undefined || heapTypes.has(base);
}

/** Reads a value of a type from its slot. */
export function readValue(reader: ByteReader, type: number, heap: HeapReader, objects: ObjectCodec): WmioValue {
  if ((type & arrayFlag) === 0) return readScalar(reader, type, heap, objects);
  const reference = reader.u32();
  if (reference === nullReference) return null;
  const base = type & ~arrayFlag;
  return heap.read(reference, (array) => {
    const count = array.u32();
    const size = slotSize(base);
    if (count > array.remaining / size) throw invalid('number of elements');
    heap.budget.spend(count * size);
    const values: WmioValue[] = [];
    for (let i = 0; i < count; i++) values.push(readScalar(array, base, heap, objects));
    return values;
  });
}

/** Writes a value into its slot; what it refers to goes into the heap. */
export function writeValue(
  writer: ByteWriter,
  type: number,
  value: WmioValue,
  heap: HeapWriter,
  objects: ObjectCodec,
): void {
  if ((type & arrayFlag) === 0) {
    writeScalar(writer, type, value, heap, objects);
    return;
  }
  if (value === null) {
    writer.u32(nullReference);
    return;
  }
  const items = value as readonly WmioValue[];
  const base = type & ~arrayFlag;
  const at = heap.reserve(4 + items.length * slotSize(base));
  const slots = new ByteWriter().u32(items.length);
  for (const item of items) writeScalar(slots, base, item, heap, objects);
  heap.put(at, slots.toBytes());
  writer.u32(at);
}

function readScalar(reader: ByteReader, type: number, heap: HeapReader, objects: ObjectCodec): WmioValue {
  switch (type) {
    case wmioTypes.sint8:
      return (reader.u8() << 24) >> 24;
    case wmioTypes.uint8:
      return reader.u8();
    case wmioTypes.sint16:
      return (reader.u16() << 16) >> 16;
    case wmioTypes.uint16:
    case wmioTypes.char16:
      return reader.u16();
    case wmioTypes.boolean:
      return reader.u16() !== 0;
    case wmioTypes.sint32:
      return reader.u32() | 0;
    case wmioTypes.uint32:
      return reader.u32();
    case wmioTypes.sint64:
      return BigInt.asIntN(64, reader.u64());
    case wmioTypes.uint64:
      return reader.u64();
    case wmioTypes.real32:
      return view(reader.take(4)).getFloat32(0, true);
    case wmioTypes.real64:
      return view(reader.take(8)).getFloat64(0, true);
    case wmioTypes.string:
    case wmioTypes.datetime:
    case wmioTypes.reference:
      return heap.string(reader.u32()) ?? null;
    case wmioTypes.object: {
      const reference = reader.u32();
      if (reference === nullReference) return null;
      return heap.read(reference, (item) => {
        const block = item.sub(item.u32(), 'embedded object');
        return heap.budget.nest(() => objects.read(block, heap));
      });
    }
    default:
      throw invalid(`type ${type}`);
  }
}

function writeScalar(writer: ByteWriter, type: number, value: WmioValue, heap: HeapWriter, objects: ObjectCodec): void {
  if (value === null) {
    if (heapTypes.has(type)) writer.u32(nullReference);
    else writer.zeros(slotSize(type));
    return;
  }
  switch (type) {
    case wmioTypes.sint8:
    case wmioTypes.uint8:
      writer.u8(Number(value) & 0xff);
      return;
    case wmioTypes.sint16:
    case wmioTypes.uint16:
    case wmioTypes.char16:
      writer.u16(Number(value) & 0xffff);
      return;
    case wmioTypes.boolean:
      writer.u16(value === false ? 0 : 0xffff);
      return;
    case wmioTypes.sint32:
    case wmioTypes.uint32:
      writer.u32(Number(value) >>> 0);
      return;
    case wmioTypes.sint64:
    case wmioTypes.uint64:
      writer.u64(BigInt.asUintN(64, BigInt(value as bigint | number)));
      return;
    case wmioTypes.real32:
    case wmioTypes.real64: {
      const octets = new Uint8Array(type === wmioTypes.real32 ? 4 : 8);
      if (type === wmioTypes.real32) view(octets).setFloat32(0, Number(value), true);
      else view(octets).setFloat64(0, Number(value), true);
      writer.bytes(octets);
      return;
    }
    case wmioTypes.object: {
      const block = objects.write(value as WmioObject);
      const at = heap.reserve(4 + block.length);
      heap.u32(at, block.length);
      heap.put(at + 4, block);
      writer.u32(at);
      return;
    }
    default:
      if (typeof value !== 'string') throw invalid('a text that is none');
      writer.u32(heap.string(value));
  }
}

function view(octets: Uint8Array): DataView {
  return new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
}

const fixedSizes: Readonly<Record<number, number | undefined>> = {
  [wmioTypes.sint8]: 1,
  [wmioTypes.uint8]: 1,
  [wmioTypes.sint16]: 2,
  [wmioTypes.uint16]: 2,
  [wmioTypes.char16]: 2,
  [wmioTypes.boolean]: 2,
  [wmioTypes.sint32]: 4,
  [wmioTypes.uint32]: 4,
  [wmioTypes.real32]: 4,
  [wmioTypes.sint64]: 8,
  [wmioTypes.uint64]: 8,
  [wmioTypes.real64]: 8,
};
const heapTypes: ReadonlySet<number> = new Set([
  wmioTypes.string,
  wmioTypes.datetime,
  wmioTypes.reference,
  wmioTypes.object,
]);
