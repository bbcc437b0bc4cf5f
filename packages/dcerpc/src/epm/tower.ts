import { ByteReader, ByteWriter, guid } from '@carmine/wire';
import { ndrSyntax, type SyntaxId } from '../pdu/syntax.ts';

/** What a tower says of an endpoint, C706 appendix L. */
export interface Tower {
  readonly abstractSyntax: SyntaxId;
  readonly transferSyntax: SyntaxId;
  /** Protocol identifiers of the floors from the third on; 7 is TCP, 9 IP, 0x0f a named pipe. */
  readonly protocols: readonly number[];
  /** Of TCP. */
  readonly port: number | undefined;
  readonly address: string | undefined;
}

/** Throws `wire/…` for what is no tower. */
export function readTower(bytes: Uint8Array): Tower {
  const reader = new ByteReader(bytes, { what: 'tower' });
  const count = reader.u16();
  if (count < 2 || count > maxFloors) throw reader.invalid('number of floors');
  const [abstractSyntax, transferSyntax] = [readSyntax(reader), readSyntax(reader)];
  const protocols: number[] = [];
  let port: number | undefined;
  let address: string | undefined;
  for (let floor = 2; floor < count; floor++) {
    const left = reader.sub(reader.u16());
    const protocol = left.u8();
    const right = reader.take(reader.u16());
    protocols.push(protocol);
    if (protocol === tcpProtocol && right.length === 2) port = (right[0]! << 8) | right[1]!;
    if (protocol === ipProtocol && right.length === 4) address = right.join('.');
  }
  return { abstractSyntax, transferSyntax, protocols, port, address };
}

/** Five floors: interface, NDR, connection-oriented RPC, TCP port (big-endian), IPv4 address. */
export function writeTcpTower(abstractSyntax: SyntaxId, port: number, address: string): Uint8Array {
  const writer = new ByteWriter().u16(5);
  writeSyntax(writer, abstractSyntax);
  writeSyntax(writer, ndrSyntax);
  writer.u16(1).u8(connectionProtocol).u16(2).u16(0);
  writer
    .u16(1)
    .u8(tcpProtocol)
    .u16(2)
    .u8(port >>> 8)
    .u8(port & 0xff);
  writer.u16(1).u8(ipProtocol).u16(4);
  for (const octet of ipv4(address)) writer.u8(octet);
  return writer.toBytes();
}

/** Whether it asks for RPC over TCP. */
export function isTcpTower({ protocols }: Tower): boolean {
  return protocols[0] === connectionProtocol && protocols[1] === tcpProtocol;
}

/** UNSPECIFIED: addresses that are not IPv4 have no floor: 0.0.0.0, which clients take as the one that they asked. */
function ipv4(address: string): readonly number[] {
  const match = /^(?:::ffff:)?(\d+)\.(\d+)\.(\d+)\.(\d+)$/i.exec(address);
  return match === null ? [0, 0, 0, 0] : match.slice(1).map((part) => Number(part) & 0xff);
}

function readSyntax(reader: ByteReader): SyntaxId {
  const left = reader.sub(reader.u16());
  if (left.u8() !== uuidProtocol) throw reader.invalid('a floor that is no UUID');
  const uuid = guid.read(left);
  const major = left.u16();
  const right = reader.sub(reader.u16());
  return { uuid, major, minor: right.remaining >= 2 ? right.u16() : 0 };
}

function writeSyntax(writer: ByteWriter, { uuid, major, minor }: SyntaxId): void {
  writer.u16(19).u8(uuidProtocol);
  guid.write(writer, uuid);
  writer.u16(major).u16(2).u16(minor);
}

const uuidProtocol = 0x0d;
const connectionProtocol = 0x0b;
const tcpProtocol = 7;
const ipProtocol = 9;
const maxFloors = 16;
