import { CarmineError, isCarmineError } from '@carmine/errors';
import { ByteReader, ByteWriter, concatBytes, equalBytes } from '@carmine/wire';
import { readClassPart, writeClassPart } from './class-part.ts';
import { DecodeBudget, type HeapReader, invalid } from './heap.ts';
import { readInstanceBody, writeInstanceBody } from './instance.ts';
import { readMethods, writeMethods } from './methods.ts';
import { readEncodedString, writeEncodedString } from './strings.ts';
import type { WmioClassPart, WmioDecoration, WmioInstance, WmioInstanceBody, WmioObject } from './types.ts';
import type { ObjectCodec } from './values.ts';

/** ObjectFlags, [MS-WMIO] 2.2.6. */
const objectFlags = {
  class: 0x01,
  instance: 0x02,
  decorated: 0x04,
  prototype: 0x10,
  keysMissing: 0x40,
} as const;

const kindFlags = objectFlags.class | objectFlags.instance | objectFlags.decorated;

/**
 * EncodingUnit, [MS-WMIO] 2.2.1: `78563412 | u32 length | ObjectBlock`. Throws `wmi/invalid-object`. `keepLayout`: an instance can be
 * written again octet for octet.
 */
export function decodeObject(bytes: Uint8Array, keepLayout = true): WmioObject {
  return inbound(() => {
    const reader = new ByteReader(bytes, { what: 'EncodingUnit' });
    if (reader.u32() !== signature) throw reader.invalid('signature');
    // The lengths of the document's own examples are a few octets off: what is inside counts.
    reader.skip(4);
    return readBlock(reader, new DecodeBudget(bytes.length, keepLayout));
  });
}

/** `declared`: for a length that differs from the block's, as in the document's examples. */
export function encodeObject(object: WmioObject, declared?: number): Uint8Array {
  const block = encodeBlock(object);
  return concatBytes(
    new ByteWriter()
      .u32(signature)
      .u32(declared ?? block.length)
      .toBytes(),
    block,
  );
}

/** An ObjectBlock without signature and length, as smart enumeration has it. */
export function decodeBlock(bytes: Uint8Array): WmioObject {
  return inbound(() =>
    readBlock(new ByteReader(bytes, { what: 'ObjectBlock' }), new DecodeBudget(bytes.length, false)),
  );
}

export function encodeBlock(object: WmioObject): Uint8Array {
  const decorated = object.decoration === undefined ? 0 : objectFlags.decorated;
  const writer = new ByteWriter().u8(object.flags | objectFlags[object.kind] | decorated);
  writeDecoration(writer, object.decoration);
  if (object.kind === 'class') {
    writer.bytes(classPartBytes(object.parent)).bytes(writeMethods(object.parentMethods, codec));
    writer.bytes(classPartBytes(object.current)).bytes(writeMethods(object.methods, codec));
  } else writer.bytes(classPartBytes(object.current)).bytes(writeInstanceBody(object.body, object.current, codec));
  if (object.rest !== undefined) writer.bytes(object.rest);
  return writer.toBytes();
}

/** What smart enumeration sends of an instance whose class the receiver has: `u8 flags | decoration | body`. */
export function encodeInstanceWithoutClass({ flags, decoration, current, body }: WmioInstance): Uint8Array {
  const decorated = decoration === undefined ? 0 : objectFlags.decorated;
  const writer = new ByteWriter().u8(flags | objectFlags.instance | decorated);
  writeDecoration(writer, decoration);
  return writer.bytes(writeInstanceBody(body, current, codec)).toBytes();
}

export function decodeInstanceWithoutClass(bytes: Uint8Array, current: WmioClassPart): WmioInstance {
  return inbound(() => {
    const reader = new ByteReader(bytes, { what: 'instance' });
    const flags = reader.u8();
    const decoration = readDecoration(reader, flags);
    const body: WmioInstanceBody = readInstanceBody(reader, current, new DecodeBudget(bytes.length, false), codec);
    return { kind: 'instance', flags: flags & ~kindFlags, decoration, current, body };
  });
}

const codec: ObjectCodec = {
  read: (reader: ByteReader, heap: HeapReader) => readBlock(reader, heap.budget),
  write: encodeBlock,
};

function readBlock(reader: ByteReader, budget: DecodeBudget): WmioObject {
  const flags = reader.u8();
  const decoration = readDecoration(reader, flags);
  const rest = () => (reader.remaining === 0 ? undefined : reader.take(reader.remaining).slice());
  if ((flags & objectFlags.class) !== 0) {
    const parent = readClassPart(reader, budget, codec);
    const parentMethods = readMethods(reader, budget, codec);
    const current = readClassPart(reader, budget, codec);
    const methods = readMethods(reader, budget, codec);
    const other = flags & ~kindFlags;
    return { kind: 'class', flags: other, decoration, parent, parentMethods, current, methods, rest: rest() };
  }
  if ((flags & objectFlags.instance) === 0) throw invalid('neither class nor instance');
  const current = readKnownClassPart(reader, budget);
  const body = readInstanceBody(reader, current, budget, codec);
  return { kind: 'instance', flags: flags & ~kindFlags, decoration, current, body, rest: rest() };
}

function readDecoration(reader: ByteReader, flags: number): WmioDecoration | undefined {
  if ((flags & objectFlags.decorated) === 0) return undefined;
  return { server: readEncodedString(reader), namespace: readEncodedString(reader) };
}

function writeDecoration(writer: ByteWriter, decoration: WmioDecoration | undefined): void {
  if (decoration === undefined) return;
  writeEncodedString(writer, decoration.server);
  writeEncodedString(writer, decoration.namespace);
}

/** Instances come with their class each time: the last few are remembered. */
function readKnownClassPart(reader: ByteReader, budget: DecodeBudget): WmioClassPart {
  const start = reader.position;
  const length = reader.u32();
  reader.seek(start);
  if (length > largestRemembered || length > reader.remaining) return readClassPart(reader, budget, codec);
  const octets = reader.take(length);
  const found = remembered.findIndex((each) => equalBytes(each.octets, octets));
  const known = remembered[found];
  if (known !== undefined) return known.part;
  reader.seek(start);
  const part = readClassPart(reader, budget, codec);
  remembered.unshift({ octets: octets.slice(), part });
  remembered.length = Math.min(remembered.length, rememberedParts);
  return part;
}

const remembered: { readonly octets: Uint8Array; readonly part: WmioClassPart }[] = [];
const rememberedParts = 8;
const largestRemembered = 32_768;

/** A class is written once, however many instances it has. */
function classPartBytes(part: WmioClassPart): Uint8Array {
  let bytes = written.get(part);
  if (bytes === undefined) {
    bytes = writeClassPart(part, codec);
    written.set(part, bytes);
  }
  return bytes;
}

const written = new WeakMap<WmioClassPart, Uint8Array>();

/** Whatever is wrong with octets is wrong with the object. */
function inbound<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (isCarmineError(cause) && cause.code.startsWith('wire/') && cause.kind === 'remote')
      throw new CarmineError('wmi/invalid-object', { context: { reason: cause.message }, cause });
    throw cause;
  }
}

const signature = 0x1234_5678;
