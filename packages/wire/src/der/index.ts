export {
  type DerCodec,
  type DerFieldsValue,
  type DerValueOf,
  decodeDer,
  derAny,
  derApplication,
  derFields,
  derFixed,
  derListOf,
  derOctets,
  derRange,
  encodeDer,
} from './der-codec.ts';
export { type DerElement, DerReader } from './der-reader.ts';
export {
  derBoolean,
  derContext,
  derElement,
  derEnumerated,
  derInteger,
  derObjectIdentifier,
  derOctetString,
  derSequence,
} from './der-writer.ts';
export { decodeObjectIdentifier, encodeObjectIdentifier } from './object-identifier.ts';
export { applicationTag, contextTag, derTags } from './tags.ts';
