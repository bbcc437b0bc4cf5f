import { CarmineError } from '@carmine/errors';
import {
  ByteReader,
  ByteWriter,
  bytes,
  type Codec,
  concatBytes,
  constant,
  encode,
  struct,
  u16,
  u32,
  type ValueOf,
} from '@carmine/wire';
import { hasFlag, ntlmFlags } from './flags.ts';

/** [MS-NLMP] 2.2.1.1 NEGOTIATE_MESSAGE; the names it may supply are not used by anybody and not kept. */
export interface NegotiateMessage {
  readonly flags: number;
}

/** [MS-NLMP] 2.2.1.2 CHALLENGE_MESSAGE. */
export interface ChallengeMessage {
  readonly flags: number;
  readonly targetName: Uint8Array;
  readonly serverChallenge: Uint8Array;
  readonly targetInfo: Uint8Array;
}

/** [MS-NLMP] 2.2.1.3 AUTHENTICATE_MESSAGE. Names are octets: their encoding depends on the flags. */
export interface AuthenticateMessage {
  readonly flags: number;
  readonly lmResponse: Uint8Array;
  readonly ntResponse: Uint8Array;
  readonly domain: Uint8Array;
  readonly user: Uint8Array;
  readonly workstation: Uint8Array;
  readonly encryptedSessionKey: Uint8Array;
}

/** Where the MIC stands in an AUTHENTICATE message that has one. */
export const micOffset = 72;
export const micLength = 16;

/** The octets every NTLM message starts with. */
export function isNtlmMessage(input: Uint8Array): boolean {
  return input.length >= 12 && signature.every((byte, i) => input[i] === byte);
}

/** MessageType of something that isNtlmMessage. */
export function ntlmMessageType(input: Uint8Array): number {
  return new ByteReader(input.subarray(8)).u32();
}

export function encodeNegotiate(message: NegotiateMessage): Uint8Array {
  const empty = { length: 0, maxLength: 0, offset: negotiateLength };
  return concatBytes(
    encode(negotiateHeader, { type: 1, flags: message.flags, domain: empty, workstation: empty }),
    hasFlag(message.flags, ntlmFlags.version) ? version : new Uint8Array(0),
  );
}

export function decodeNegotiate(input: Uint8Array): NegotiateMessage {
  // The names may be absent altogether: clients older than their fields send 16 octets.
  const reader = open(input, 'NEGOTIATE_MESSAGE', 1);
  return { flags: reader.u32() };
}

export function encodeChallenge(message: ChallengeMessage): Uint8Array {
  const targetName = message.targetName;
  const targetInfo = message.targetInfo;
  const payload = challengeLength + version.length;
  return concatBytes(
    encode(challengeHeader, {
      type: 2,
      targetName: fieldsOf(targetName, payload),
      flags: message.flags,
      serverChallenge: message.serverChallenge,
      reserved: new Uint8Array(8),
      targetInfo: fieldsOf(targetInfo, payload + targetName.length),
    }),
    hasFlag(message.flags, ntlmFlags.version) ? version : new Uint8Array(version.length),
    targetName,
    targetInfo,
  );
}

export function decodeChallenge(input: Uint8Array): ChallengeMessage {
  const header = readHeader(challengeHeader, input, 2);
  return {
    flags: header.flags,
    serverChallenge: header.serverChallenge,
    targetName: payloadOf(input, header.targetName, 'TargetName', challengeLength),
    targetInfo: payloadOf(input, header.targetInfo, 'TargetInfo', challengeLength),
  };
}

/** Encodes with a version and a MIC field of zeros, to be filled with `withMic`. */
export function encodeAuthenticate(message: AuthenticateMessage): Uint8Array {
  const payload = new ByteWriter();
  const place = (value: Uint8Array): Fields => {
    const fields = fieldsOf(value, micOffset + micLength + payload.length);
    payload.bytes(value);
    return fields;
  };
  const header: ValueOf<typeof authenticateHeader> = {
    type: 3,
    domain: place(message.domain),
    user: place(message.user),
    workstation: place(message.workstation),
    lmResponse: place(message.lmResponse),
    ntResponse: place(message.ntResponse),
    encryptedSessionKey: place(message.encryptedSessionKey),
    flags: message.flags,
  };
  return concatBytes(
    encode(authenticateHeader, header),
    hasFlag(message.flags, ntlmFlags.version) ? version : new Uint8Array(version.length),
    new Uint8Array(micLength),
    payload.toBytes(),
  );
}

/** The offsets decide where the payload starts: some clients leave out the version, the MIC, or both. */
export function decodeAuthenticate(input: Uint8Array): AuthenticateMessage {
  const header = readHeader(authenticateHeader, input, 3);
  const part = (fields: Fields, name: string) => payloadOf(input, fields, name, authenticateLength);
  return {
    flags: header.flags,
    lmResponse: part(header.lmResponse, 'LmChallengeResponse'),
    ntResponse: part(header.ntResponse, 'NtChallengeResponse'),
    domain: part(header.domain, 'DomainName'),
    user: part(header.user, 'UserName'),
    workstation: part(header.workstation, 'Workstation'),
    encryptedSessionKey: part(header.encryptedSessionKey, 'EncryptedRandomSessionKey'),
  };
}

/** The MIC of an AUTHENTICATE message; undefined when the message is too short to have one. */
export function micOf(authenticate: Uint8Array): Uint8Array | undefined {
  if (authenticate.length < micOffset + micLength) return undefined;
  return authenticate.slice(micOffset, micOffset + micLength);
}

/** A copy of an AUTHENTICATE message with this MIC in its place. */
export function withMic(authenticate: Uint8Array, mic: Uint8Array): Uint8Array {
  const copy = authenticate.slice();
  copy.set(mic, micOffset);
  return copy;
}

const signature = new TextEncoder().encode('NTLMSSP\0');

/** "fields" of [MS-NLMP] 2.2.1: where in the message a part of the payload is. */
const fieldsCodec = struct('fields', [
  ['length', u16],
  ['maxLength', u16],
  ['offset', u32],
]);
type Fields = ValueOf<typeof fieldsCodec>;

const negotiateHeader = struct('NEGOTIATE_MESSAGE', [
  ['signature', constant('signature', signature)],
  ['type', u32],
  ['flags', u32],
  ['domain', fieldsCodec],
  ['workstation', fieldsCodec],
]);

const challengeHeader = struct('CHALLENGE_MESSAGE', [
  ['signature', constant('signature', signature)],
  ['type', u32],
  ['targetName', fieldsCodec],
  ['flags', u32],
  ['serverChallenge', bytes(8)],
  ['reserved', bytes(8)],
  ['targetInfo', fieldsCodec],
]);

const authenticateHeader = struct('AUTHENTICATE_MESSAGE', [
  ['signature', constant('signature', signature)],
  ['type', u32],
  ['lmResponse', fieldsCodec],
  ['ntResponse', fieldsCodec],
  ['domain', fieldsCodec],
  ['user', fieldsCodec],
  ['workstation', fieldsCodec],
  ['encryptedSessionKey', fieldsCodec],
  ['flags', u32],
]);

const negotiateLength = 32;
const challengeLength = 48;
const authenticateLength = 64;

/** [MS-NLMP] 2.2.2.10 VERSION: 6.1, build 0, NTLMSSP_REVISION_W2K3. Only for debugging, says the document. */
const version = Uint8Array.of(6, 1, 0, 0, 0, 0, 0, 15);

function open(input: Uint8Array, what: string, type: number): ByteReader {
  const reader = new ByteReader(input, { what });
  constant('signature', signature).read(reader);
  if (reader.u32() !== type) throw reader.invalid('another message was expected');
  return reader;
}

function readHeader<T>(codec: Codec<T>, input: Uint8Array, type: number): T {
  open(input, codec.name, type);
  return codec.read(new ByteReader(input, { what: codec.name }));
}

function fieldsOf(value: Uint8Array, offset: number): Fields {
  return { length: value.length, maxLength: value.length, offset };
}

function payloadOf(input: Uint8Array, fields: Fields, what: string, headerLength: number): Uint8Array {
  if (fields.length === 0) return new Uint8Array(0);
  if (fields.offset < headerLength) {
    throw new CarmineError('wire/invalid', { context: { what, reason: 'lies inside the header' } });
  }
  const reader = new ByteReader(input, { what });
  reader.seek(fields.offset);
  return reader.take(fields.length).slice();
}
