import { CarmineError } from '@carmine/errors';
import { ByteReader, ByteWriter, guid } from '@carmine/wire';
import { ndrGuid, ndrStruct, ndrU32, ndrU64 } from '@carmine/wire/ndr';
import { type DualStringArray, readDualStringArray, writeDualStringArray } from './dual-string-array.ts';

/** STDOBJREF, [MS-DCOM] 2.2.18.2. */
export interface StandardReference {
  readonly flags: number;
  readonly publicRefs: number;
  readonly oxid: bigint;
  readonly oid: bigint;
  readonly ipid: string;
}

/** SORF_NOPING. */
export const noPingFlag = 0x1000;

/** OBJREF, [MS-DCOM] 2.2.18; the handler and extended forms are read as the standard reference in them. */
export type ObjRef =
  | {
      readonly kind: 'standard';
      readonly iid: string;
      readonly reference: StandardReference;
      /** Of the object resolver: without ports. */
      readonly bindings: DualStringArray;
    }
  | { readonly kind: 'custom'; readonly iid: string; readonly clsid: string; readonly data: Uint8Array };

export function writeObjRef(value: ObjRef): Uint8Array {
  const writer = new ByteWriter().u32(signature).u32(value.kind === 'standard' ? flags.standard : flags.custom);
  guid.write(writer, value.iid);
  if (value.kind === 'standard') {
    const { reference, bindings } = value;
    writer.u32(reference.flags).u32(reference.publicRefs).u64(reference.oxid).u64(reference.oid);
    guid.write(writer, reference.ipid);
    return writer.bytes(writeDualStringArray(bindings)).toBytes();
  }
  guid.write(writer, value.clsid);
  // The reserved word is the length of the data on Windows.
  return writer.u32(0).u32(value.data.length).bytes(value.data).toBytes();
}

/** Always little-endian, without alignment. What follows it is left alone. Throws `dcom/invalid-objref`. */
export function readObjRef(bytes: Uint8Array): ObjRef {
  try {
    return read(new ByteReader(bytes, { what: 'OBJREF' }));
  } catch (cause) {
    throw new CarmineError('dcom/invalid-objref', { context: { reason: (cause as Error).message }, cause });
  }
}

/** STDOBJREF as a member of other messages. */
export const standardReferenceType = ndrStruct('STDOBJREF', [
  ['flags', ndrU32],
  ['publicRefs', ndrU32],
  ['oxid', ndrU64],
  ['oid', ndrU64],
  ['ipid', ndrGuid],
]);

function read(reader: ByteReader): ObjRef {
  if (reader.u32() !== signature) throw reader.invalid('signature');
  const kind = reader.u32();
  const iid = guid.read(reader);
  switch (kind) {
    case flags.standard:
    case flags.handler: {
      const reference = readReference(reader);
      if (kind === flags.handler) reader.skip(16);
      return { kind: 'standard', iid, reference, bindings: readDualStringArray(reader) };
    }
    case flags.extended: {
      const reference = readReference(reader);
      reader.skip(4);
      return { kind: 'standard', iid, reference, bindings: readDualStringArray(reader) };
    }
    case flags.custom: {
      const clsid = guid.read(reader);
      // "cbExtension MUST be set to zero"; the reserved word is anything.
      reader.skip(8);
      return { kind: 'custom', iid, clsid, data: reader.take(reader.remaining) };
    }
    default:
      throw reader.invalid(`flags ${kind}`);
  }
}

function readReference(reader: ByteReader): StandardReference {
  const [referenceFlags, publicRefs] = [reader.u32(), reader.u32()];
  return { flags: referenceFlags, publicRefs, oxid: reader.u64(), oid: reader.u64(), ipid: guid.read(reader) };
}

const signature = 0x574f_454d;
const flags = { standard: 1, handler: 2, custom: 4, extended: 8 } as const;
