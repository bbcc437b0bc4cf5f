import { type ByteReader, ByteWriter, concatBytes } from '@carmine/wire';
import { type DecodeBudget, HeapReader, HeapWriter, invalid, readHeap } from './heap.ts';
import { qualifiersLength, readQualifiers, writeQualifiers } from './qualifiers.ts';
import { nullReference } from './strings.ts';
import type { WmioMethod, WmioMethods, WmioObject } from './types.ts';
import type { ObjectCodec } from './values.ts';

/**
 * MethodsPart, [MS-WMIO] 2.2.38:
 *
 *     u32 EncodingLength | u16 count | u16 padding
 *     | { u32 name, u8 flags, 3 padding, u32 origin, u32 qualifiers, u32 input, u32 output } | Heap
 */
export function readMethods(outer: ByteReader, budget: DecodeBudget, objects: ObjectCodec): WmioMethods {
  const length = outer.u32();
  if (length < 4) throw invalid('EncodingLength of methods');
  const reader = outer.sub(length - 4, 'methods');
  const [count, padding] = [reader.u16(), reader.u16()];
  if (count > reader.remaining / descriptionLength) throw invalid('number of methods');
  const start = reader.position;
  reader.skip(count * descriptionLength);
  const heap = new HeapReader(readHeap(reader), budget);
  const rest = reader.take(reader.remaining).slice();
  reader.seek(start);
  const methods: WmioMethod[] = [];
  for (let i = 0; i < count; i++) {
    const name = heap.string(reader.u32());
    if (name === undefined) throw invalid('a method without a name');
    const flags = reader.u8();
    const spare = reader.take(3).slice();
    const origin = reader.u32();
    const [qualifierSet, input, output] = [reader.u32(), reader.u32(), reader.u32()];
    const signature = (reference: number): { readonly object: WmioObject | null; readonly empty: boolean } => {
      if (reference === nullReference) return { object: null, empty: false };
      return heap.read(reference, (item) => {
        const block = item.sub(item.u32(), 'signature');
        if (block.remaining === 0) return { object: null, empty: true };
        return { object: budget.nest(() => objects.read(block, heap)), empty: false };
      });
    };
    const [ins, outs] = [signature(input), signature(output)];
    const qualifiers =
      qualifierSet === nullReference ? null : heap.read(qualifierSet, (item) => readQualifiers(item, heap, objects));
    methods.push({
      name,
      flags,
      origin,
      qualifiers,
      input: ins.object,
      output: outs.object,
      ...(ins.empty ? { emptyInput: true } : {}),
      ...(outs.empty ? { emptyOutput: true } : {}),
      padding: spare,
    });
  }
  return { methods, layout: { padding, heap: heap.layout(), rest } };
}

export function writeMethods({ methods, layout }: WmioMethods, objects: ObjectCodec): Uint8Array {
  const heap = new HeapWriter(layout?.heap);
  const descriptions = new ByteWriter();
  for (const method of methods) {
    const name = heap.string(method.name);
    const signature = (object: WmioObject | null, empty: boolean | undefined): number => {
      if (object === null && empty !== true) return nullReference;
      const block = object === null ? new Uint8Array(0) : objects.write(object);
      // The length does not count itself.
      const at = heap.reserve(4 + block.length);
      heap.put(at, concatBytes(new ByteWriter().u32(block.length).toBytes(), block));
      return at;
    };
    const input = signature(method.input, method.emptyInput);
    const output = signature(method.output, method.emptyOutput);
    let qualifiers = nullReference;
    if (method.qualifiers !== null) {
      qualifiers = heap.reserve(qualifiersLength(method.qualifiers));
      heap.put(qualifiers, writeQualifiers(method.qualifiers, heap, objects));
    }
    descriptions
      .u32(name)
      .u8(method.flags)
      .bytes(method.padding ?? new Uint8Array(3));
    descriptions.u32(method.origin).u32(qualifiers).u32(input).u32(output);
  }
  const body = concatBytes(descriptions.toBytes(), heap.toBytes(), layout?.rest ?? new Uint8Array(0));
  const head = new ByteWriter()
    .u32(8 + body.length)
    .u16(methods.length)
    .u16(layout?.padding ?? 0);
  return concatBytes(head.toBytes(), body);
}

const descriptionLength = 24;
