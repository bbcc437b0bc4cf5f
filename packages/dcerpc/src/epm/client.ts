import { CarmineError } from '@carmine/errors';
import { nilGuid } from '@carmine/wire';
import { NdrReader, NdrWriter } from '@carmine/wire/ndr';
import type { RpcClientConnection } from '../client/connection.ts';
import type { SyntaxId } from '../pdu/syntax.ts';
import { endpointMapperSyntax, lookupRequest, lookupResponse, mapRequest, mapResponse } from './messages.ts';
import { isTcpTower, readTower, writeTcpTower } from './tower.ts';

/** The TCP ports at which a server has an interface (ept_map); none when it has not. */
export async function mapEndpoints(connection: RpcClientConnection, syntax: SyntaxId): Promise<readonly number[]> {
  const writer = new NdrWriter();
  mapRequest.write(writer, {
    object: nilGuid,
    tower: writeTcpTower(syntax, 0, '0.0.0.0'),
    entryHandle: { attributes: 0, uuid: nilGuid },
    maxTowers: 4,
  });
  const { stub, littleEndian } = await connection.call({
    syntax: endpointMapperSyntax,
    opnum: 3,
    stub: writer.toBytes(),
  });
  const { towers } = mapResponse.read(new NdrReader(stub, { what: 'ept_map', littleEndian }));
  return towers.items.flatMap((tower) => {
    const port = tower === null ? undefined : readTower(tower).port;
    return port === undefined ? [] : [port];
  });
}

/** One entry of an endpoint map. */
export interface EndpointEntry {
  readonly syntax: SyntaxId;
  /** Undefined: not TCP. */
  readonly port: number | undefined;
  readonly annotation: string;
}

/** All that a server's endpoint map tells (ept_lookup), in as many calls as it takes. */
export async function lookUpEndpoints(connection: RpcClientConnection): Promise<readonly EndpointEntry[]> {
  const found: EndpointEntry[] = [];
  let entryHandle = { attributes: 0, uuid: nilGuid };
  for (let round = 0; round < maxRounds; round++) {
    const writer = new NdrWriter();
    lookupRequest.write(writer, {
      inquiryType: 0,
      object: null,
      interfaceId: null,
      versionOption: 1,
      entryHandle,
      maxEntries: 100,
    });
    const { stub, littleEndian } = await connection.call({
      syntax: endpointMapperSyntax,
      opnum: 2,
      stub: writer.toBytes(),
    });
    const answer = lookupResponse.read(new NdrReader(stub, { what: 'ept_lookup', littleEndian }));
    for (const { tower, annotation } of answer.entries.items) {
      if (tower === null) continue;
      const read = readTower(tower);
      found.push({ syntax: read.abstractSyntax, port: isTcpTower(read) ? read.port : undefined, annotation });
    }
    ({ entryHandle } = answer);
    if (entryHandle.uuid === nilGuid || answer.entries.items.length === 0) return found;
  }
  throw new CarmineError('rpc/malformed', { context: { reason: 'an endless endpoint map' } });
}

const maxRounds = 1000;
