import { CarmineError } from '@carmine/errors';
import { ByteReader, ByteWriter } from '@carmine/wire';
import { type Ace, aceTypes } from './ace.ts';
import { formatGuid, guidCodec } from './guid.ts';
import { type Acl, controlFlags, impliedControl, type SecurityDescriptor } from './security-descriptor.ts';
import { sidCodec } from './sid.ts';

/**
 * The self-relative form, [MS-DTYP] 2.4.6: a header of 20 octets, then what its offsets point at.
 *
 *     Revision 1 | Sbz1 | Control u16 | OffsetOwner u32 | OffsetGroup u32 | OffsetSacl u32 | OffsetDacl u32
 *
 * We write SACL, DACL, owner, group in this order, as Windows does.
 */
export function encodeSecurityDescriptor(descriptor: SecurityDescriptor): Uint8Array {
  const body = new ByteWriter();
  const place = (write: () => void): number => {
    const offset = headerLength + body.length;
    write();
    return offset;
  };
  const { owner, group, dacl, sacl } = descriptor;
  const saclOffset = sacl === undefined || sacl === 'null' ? 0 : place(() => writeAcl(body, sacl));
  const daclOffset = dacl === undefined || dacl === 'null' ? 0 : place(() => writeAcl(body, dacl));
  const ownerOffset = owner === undefined ? 0 : place(() => sidCodec.write(body, owner));
  const groupOffset = group === undefined ? 0 : place(() => sidCodec.write(body, group));
  let control = (descriptor.control & ~impliedControl) | controlFlags.selfRelative;
  if (dacl !== undefined) control |= controlFlags.daclPresent;
  if (sacl !== undefined) control |= controlFlags.saclPresent;
  const header = new ByteWriter().u8(1).u8(descriptor.resourceManagerControl).u16(control);
  return header.u32(ownerOffset).u32(groupOffset).u32(saclOffset).u32(daclOffset).bytes(body.toBytes()).toBytes();
}

/** Throws `wire/*` or `security/invalid-sid`. Lists and SIDs may stand anywhere behind the header, in any order. */
export function decodeSecurityDescriptor(bytes: Uint8Array): SecurityDescriptor {
  const reader = new ByteReader(bytes, { what: 'security descriptor' });
  const revision = reader.u8();
  if (revision !== 1) throw reader.invalid(`revision ${revision}`);
  const resourceManagerControl = reader.u8();
  const control = reader.u16();
  if ((control & controlFlags.selfRelative) === 0) throw reader.invalid('not self-relative');
  const [ownerOffset, groupOffset, saclOffset, daclOffset] = [reader.u32(), reader.u32(), reader.u32(), reader.u32()];

  const at = <T>(offset: number, read: (part: ByteReader) => T): T => {
    if (offset < headerLength) throw reader.invalid(`offset ${offset} lies inside the header`);
    const part = new ByteReader(bytes, { what: 'security descriptor' });
    part.seek(offset);
    return read(part);
  };
  const list = (flag: number, offset: number): Acl | 'null' | undefined => {
    if ((control & flag) === 0) return undefined;
    return offset === 0 ? 'null' : at(offset, readAcl);
  };
  return {
    owner: ownerOffset === 0 ? undefined : at(ownerOffset, (part) => sidCodec.read(part)),
    group: groupOffset === 0 ? undefined : at(groupOffset, (part) => sidCodec.read(part)),
    dacl: list(controlFlags.daclPresent, daclOffset),
    sacl: list(controlFlags.saclPresent, saclOffset),
    control: control & ~impliedControl,
    resourceManagerControl,
  };
}

/** ACL, [MS-DTYP] 2.4.5: AclRevision, Sbz1, AclSize u16, AceCount u16, Sbz2 u16, ACEs. */
function writeAcl(writer: ByteWriter, acl: Acl): void {
  const aces = new ByteWriter();
  for (const ace of acl.aces) writeAce(aces, ace);
  writer
    .u8(acl.revision)
    .u8(0)
    .u16(8 + aces.length)
    .u16(acl.aces.length)
    .u16(0)
    .bytes(aces.toBytes());
}

function readAcl(reader: ByteReader): Acl {
  const revision = reader.u8();
  if (revision !== 2 && revision !== 4) throw reader.invalid(`ACL revision ${revision}`);
  reader.skip(1);
  const size = reader.u16();
  const count = reader.u16();
  reader.skip(2);
  if (size < 8) throw reader.invalid(`ACL of ${size} octets`);
  // Room behind the last ACE is legal: AclSize is what was set aside.
  const body = reader.sub(size - 8, 'ACL');
  if (count * 4 > body.remaining) {
    throw new CarmineError('wire/truncated', {
      context: { what: 'ACL', needed: count * 4, available: body.remaining },
    });
  }
  return { revision, aces: Array.from({ length: count }, () => readAce(body)) };
}

/** ACE_HEADER, [MS-DTYP] 2.4.4.1: AceType, AceFlags, AceSize u16 (a multiple of 4). */
function writeAce(writer: ByteWriter, ace: Ace): void {
  const body = new ByteWriter();
  if (ace.form === 'unknown') {
    body.bytes(ace.data);
  } else {
    body.u32(ace.mask);
    if (ace.form === 'object') {
      const present = (ace.objectType === undefined ? 0 : 1) | (ace.inheritedObjectType === undefined ? 0 : 2);
      body.u32(present);
      if (ace.objectType !== undefined) guidCodec.write(body, ace.objectType);
      if (ace.inheritedObjectType !== undefined) guidCodec.write(body, ace.inheritedObjectType);
    }
    sidCodec.write(body, ace.sid);
  }
  if (body.length % 4 !== 0) {
    throw new CarmineError('wire/unencodable', { context: { what: 'ACE', reason: 'size is not a multiple of 4' } });
  }
  const type = ace.form === 'unknown' ? ace.type : typeOf(ace.form, ace.kind);
  writer
    .u8(type)
    .u8(ace.flags)
    .u16(4 + body.length)
    .bytes(body.toBytes());
}

function readAce(reader: ByteReader): Ace {
  const type = reader.u8();
  const flags = reader.u8();
  const size = reader.u16();
  if (size < 4 || size % 4 !== 0) throw reader.invalid(`ACE of ${size} octets`);
  const body = reader.sub(size - 4, 'ACE');
  const known = aceTypes.find((entry) => entry.type === type);
  if (known === undefined) return { form: 'unknown', type, flags, data: body.take(body.remaining).slice() };
  const { form, kind } = known;
  const mask = body.u32();
  if (form === 'object' && kind !== 'mandatory-label') {
    const present = body.u32();
    if (present > 3) throw body.invalid(`object flags 0x${present.toString(16)}`);
    const objectType = (present & 1) === 0 ? undefined : formatGuid(body.take(16));
    const inheritedObjectType = (present & 2) === 0 ? undefined : formatGuid(body.take(16));
    const sid = sidCodec.read(body);
    body.expectEnd();
    return { form, kind, flags, mask, objectType, inheritedObjectType, sid };
  }
  const sid = sidCodec.read(body);
  body.expectEnd();
  return { form: 'basic', kind, flags, mask, sid };
}

function typeOf(form: 'basic' | 'object', kind: string): number {
  const entry = aceTypes.find((candidate) => candidate.form === form && candidate.kind === kind);
  if (entry === undefined) {
    throw new CarmineError('wire/unencodable', { context: { what: 'ACE', reason: `no ${form} ACE of kind ${kind}` } });
  }
  return entry.type;
}

const headerLength = 20;
