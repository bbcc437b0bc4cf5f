export { accessCheck } from './access-check.ts';
export {
  accessRights,
  fileAllAccess,
  fileGenericExecute,
  fileGenericMapping,
  fileGenericRead,
  fileGenericWrite,
  type GenericMapping,
  mapGenericRights,
} from './access-mask.ts';
export { type Ace, type AceKind, aceFlags, type BasicAce, type ObjectAce, type UnknownAce } from './ace.ts';
export { decodeSecurityDescriptor, encodeSecurityDescriptor } from './binary.ts';
export { parseSddl, type SddlOptions } from './sddl-parser.ts';
export { formatSddl } from './sddl-writer.ts';
export { type Acl, controlFlags, type SecurityDescriptor } from './security-descriptor.ts';
export {
  canonicalSid,
  decodeSid,
  encodeSid,
  formatSid,
  parseSid,
  type SidParts,
  sidCodec,
  sidInDomain,
} from './sid.ts';
export {
  type AuthenticationScheme,
  anonymousToken,
  isAdministrator,
  nobody,
  type Token,
  tokenHasSid,
  wellKnownSids,
} from './token.ts';
