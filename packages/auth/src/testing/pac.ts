import { ByteWriter, concatBytes, encodeUtf16 } from '@carmine/wire';
import { encodeDer } from '@carmine/wire/der';
import { keyUsages } from '../kerberos/crypto/key-usages.ts';
import type { EncryptionKey } from '../kerberos/crypto/profile.ts';
import { profileOf, useKey } from '../kerberos/crypto/profiles.ts';
import { type AuthorizationData, adTypes, authorizationData } from '../kerberos/messages/authorization-data.ts';

export interface TestPac {
  readonly user?: string;
  readonly domain?: string;
  readonly userId?: number;
  readonly primaryGroupId?: number;
  readonly groups?: readonly (readonly [id: number, attributes: number])[];
  readonly extraSids?: readonly (readonly [octets: string, attributes: number])[];
  readonly userFlags?: number;
}

/** KERB_VALIDATION_INFO as Windows lays it out; SIDs of domain S-1-5-21-1-2-3 are all it knows besides `S-1-5-9` like ones. */
export function encodeValidationInfo(info: TestPac): Uint8Array {
  const { user = 'admin', domain = 'CARMINE', userId = 1105, primaryGroupId = 513 } = info;
  const { groups = [[513, 7]], extraSids = [], userFlags = extraSids.length > 0 ? 0x20 : 0 } = info;
  const body = new ByteWriter();
  let referent = 0x0002_0000;
  const pointer = () => {
    referent += 4;
    return referent;
  };
  const header = (text: string) => {
    const length = text.length * 2;
    body
      .u16(length)
      .u16(length)
      .u32(text === '' ? 0 : pointer());
  };
  const characters = (text: string) => {
    if (text === '') return;
    body.u32(text.length).u32(0).u32(text.length).bytes(encodeUtf16(text)).align(4);
  };
  const sid = (parts: readonly number[]) => {
    body
      .u32(parts.length)
      .u8(1)
      .u8(parts.length)
      .bytes(Uint8Array.of(0, 0, 0, 0, 0, 5));
    for (const part of parts) body.u32(part);
  };
  const texts = [user, 'Full Name', '', '', '', ''];
  body.u32(pointer()).zeros(48);
  for (const text of texts) header(text);
  body.u16(1).u16(0).u32(userId).u32(primaryGroupId);
  body
    .u32(groups.length)
    .u32(groups.length === 0 ? 0 : pointer())
    .u32(userFlags)
    .zeros(16);
  header('DC1');
  header(domain);
  body.u32(pointer()).zeros(40);
  body.u32(extraSids.length).u32(extraSids.length === 0 ? 0 : pointer());
  body.u32(0).u32(0).u32(0);
  for (const text of texts) characters(text);
  if (groups.length > 0) body.u32(groups.length);
  for (const [id, attributes] of groups) body.u32(id).u32(attributes);
  characters('DC1');
  characters(domain);
  sid([21, 1, 2, 3]);
  if (extraSids.length > 0) body.u32(extraSids.length);
  for (const [, attributes] of extraSids) body.u32(pointer()).u32(attributes);
  for (const [text] of extraSids) sid(text.split('-').slice(3).map(Number));
  const object = body.align(8).toBytes();
  return new ByteWriter().u8(1).u8(0x10).u16(8).u32(0xcccc_cccc).u32(object.length).u32(0).bytes(object).toBytes();
}

/** PACTYPE with logon information, client information and signatures made with the service's key. */
export function encodePac(
  logonInfo: Uint8Array | undefined,
  name: string,
  authtime: number,
  key: EncryptionKey,
): Uint8Array {
  const { checksumLength, checksumType } = profileOf(key);
  const nameOctets = encodeUtf16(name);
  const time = BigInt(authtime) * 10_000n + 116_444_736_000_000_000n;
  const clientInfo = new ByteWriter().u64(time).u16(nameOctets.length).bytes(nameOctets).toBytes();
  const signature = () =>
    new ByteWriter()
      .u32(checksumType >>> 0)
      .zeros(checksumLength)
      .toBytes();
  const buffers: (readonly [number, Uint8Array])[] = [
    [10, clientInfo],
    [6, signature()],
    [7, signature()],
  ];
  if (logonInfo !== undefined) buffers.unshift([1, logonInfo]);
  const head = new ByteWriter().u32(buffers.length).u32(0);
  const body = new ByteWriter();
  const offsets = new Map<number, number>();
  for (const [type, data] of buffers) {
    const offset = 8 + 16 * buffers.length + body.length;
    offsets.set(type, offset);
    head.u32(type).u32(data.length).u64(BigInt(offset));
    body.bytes(data).align(8);
  }
  const pac = concatBytes(head.toBytes(), body.toBytes());
  pac.set(useKey(key, keyUsages.pacSignature).checksum(pac), offsets.get(6)! + 4);
  return pac;
}

/** A PAC in a ticket's authorisation data. */
export function pacData(pac: Uint8Array): AuthorizationData {
  const inner = encodeDer(authorizationData, [{ adType: adTypes.win2kPac, adData: pac }]);
  return [{ adType: adTypes.ifRelevant, adData: inner }];
}
