export { concatBytes, equalBytes } from './byte-arrays.ts';
export { ByteReader, type ByteReaderOptions } from './byte-reader.ts';
export { ByteWriter, type ByteWriterOptions } from './byte-writer.ts';
export { bytes, constant } from './bytes.ts';
export { type Codec, decode, encode, type ValueOf } from './codec.ts';
export { guid, guidOf, nilGuid } from './guid.ts';
export { u8, u16, u32, u64 } from './integers.ts';
export { type StructValue, struct } from './struct.ts';
export { decodeUtf16, encodeUtf16 } from './utf16.ts';
