export {
  type NdrVarying,
  ndrArray,
  ndrByteArray,
  ndrConformantStruct,
  ndrVaryingArray,
  ndrWideString,
} from './arrays.ts';
export { NdrReader } from './ndr-reader.ts';
export type { NdrType, NdrValue } from './ndr-type.ts';
export { NdrWriter } from './ndr-writer.ts';
export { ndrPlace, ndrUnique } from './pointers.ts';
export { ndrGuid, ndrOctets, ndrU8, ndrU16, ndrU32, ndrU64 } from './scalars.ts';
export { type NdrParameters, type NdrStructValue, ndrParameters, ndrStruct } from './struct.ts';
export { decodeSerialized, encodeSerialized, serializationHeaderLength } from './type-serialization.ts';
