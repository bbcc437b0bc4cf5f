import { nilGuid } from '@carmine/wire';
import { type NdrParameters, NdrReader, NdrWriter } from '@carmine/wire/ndr';
import { faultStatus, rpcFault } from '../fault.ts';
import { type SyntaxId, sameSyntax } from '../pdu/syntax.ts';
import type { RpcCall, RpcInterface } from '../server/types.ts';
import {
  endpointMapperSyntax,
  freeHandleRequest,
  freeHandleResponse,
  inquireIdsResponse,
  inquirePrincipalRequest,
  inquireStatisticsRequest,
  inquireStatisticsResponse,
  isListeningResponse,
  lookupRequest,
  lookupResponse,
  managementSyntax,
  mapRequest,
  mapResponse,
  stopListeningResponse,
} from './messages.ts';
import { isTcpTower, readTower, writeTcpTower } from './tower.ts';

/** What the endpoint mapper tells of. */
export interface Endpoint {
  readonly syntax: SyntaxId;
  readonly port: number;
  readonly annotation: string;
}

/** The endpoint mapper over the endpoints that `list` gives now. Nothing can be inserted or deleted from outside. */
export function createEndpointMapper(list: () => readonly Endpoint[], newHandle: () => string): RpcInterface {
  /** What is left to tell, by the handle's UUID; a handle is the association group's ([MS-RPCE] 3.3.1.4.1). */
  const handles = new Map<string, { readonly association: number; readonly rest: readonly Endpoint[] }>();

  function find(uuid: string, { connection }: RpcCall): readonly Endpoint[] {
    const found = handles.get(uuid);
    if (found === undefined || found.association !== connection.association)
      throw rpcFault(faultStatus.contextMismatch);
    handles.delete(uuid);
    return found.rest;
  }

  function lookup(call: RpcCall): Uint8Array {
    const request = read(lookupRequest, call);
    const limit = Math.min(request.maxEntries, maxEntries);
    const { uuid } = request.entryHandle;
    const matching = uuid === nilGuid ? list().filter((endpoint) => isAsked(endpoint, request)) : find(uuid, call);
    const rest = matching.slice(limit);
    const handle = rest.length > 0 && limit > 0 ? newHandle() : nilGuid;
    if (handle !== nilGuid) {
      const [oldest] = handles.keys();
      if (handles.size >= maxHandles && oldest !== undefined) handles.delete(oldest);
      handles.set(handle, { association: call.connection.association, rest });
    }
    const entries = matching.slice(0, limit).map(({ syntax, port, annotation }) => ({
      object: nilGuid,
      tower: writeTcpTower(syntax, port, call.connection.localAddress),
      annotation,
    }));
    return write(lookupResponse, {
      entryHandle: { attributes: 0, uuid: handle },
      numEntries: entries.length,
      entries: { items: entries, maximum: limit },
      // UNSPECIFIED: with the last entries, as Samba has it; impacket would begin anew without it.
      status: handle === nilGuid ? nothingFound : 0,
    });
  }

  function map(call: RpcCall): Uint8Array {
    const request = read(mapRequest, call);
    if (request.tower === null) throw rpcFault(faultStatus.badStubData);
    const tower = readTower(request.tower);
    const limit = Math.min(request.maxTowers, maxEntries);
    const { abstractSyntax: asked } = tower;
    const found = isTcpTower(tower)
      ? list().filter(({ syntax }) => syntax.uuid === asked.uuid && syntax.major === asked.major)
      : [];
    const towers = found
      .slice(0, limit)
      .map(({ syntax, port }) => writeTcpTower(syntax, port, call.connection.localAddress));
    return write(mapResponse, {
      entryHandle: { attributes: 0, uuid: nilGuid },
      numTowers: towers.length,
      towers: { items: towers, maximum: limit },
      status: towers.length === 0 ? nothingFound : 0,
    });
  }

  function free(call: RpcCall): Uint8Array {
    const { uuid } = read(freeHandleRequest, call).entryHandle;
    if (uuid !== nilGuid) find(uuid, call);
    return write(freeHandleResponse, { entryHandle: { attributes: 0, uuid: nilGuid }, status: 0 });
  }

  const operations = new Map([
    [2, lookup],
    [3, map],
    [4, free],
  ]);
  return {
    syntax: endpointMapperSyntax,
    invoke(call) {
      const operation = operations.get(call.opnum);
      if (operation !== undefined) return operation(call);
      throw rpcFault(call.opnum <= lastOperation ? faultStatus.accessDenied : faultStatus.opnumRange);
    },
  };
}

/** The management interface that every endpoint has; `list` gives the interfaces of this one. */
export function createManagementInterface(list: () => readonly SyntaxId[]): RpcInterface {
  return {
    syntax: managementSyntax,
    invoke(call) {
      switch (call.opnum) {
        case 0:
          return write(inquireIdsResponse, { vector: { ids: list() }, status: 0 });
        case 1: {
          const { maxCount } = read(inquireStatisticsRequest, call);
          // Calls in and out, PDUs in and out: nobody counts them.
          return write(inquireStatisticsResponse, { statistics: [0, 0, 0, 0].slice(0, maxCount), status: 0 });
        }
        case 2:
          return write(isListeningResponse, { status: 0, listening: 1 });
        case 3:
          return write(stopListeningResponse, { status: faultStatus.accessDenied });
        case 4: {
          const { size } = read(inquirePrincipalRequest, call);
          // UNSPECIFIED: the name of the service is the client's to know; an empty one is told.
          const writer = new NdrWriter().u32(size).u32(0);
          if (size === 0) writer.u32(0);
          else writer.u32(1).u8(0);
          return writer
            .align(4)
            .u32(size === 0 ? insufficientBuffer : 0)
            .toBytes();
        }
        default:
          throw rpcFault(faultStatus.opnumRange);
      }
    },
  };
}

type LookupRequest = ReturnType<typeof lookupRequest.read>;

/** C706 appendix O, inquiry types and version options. */
function isAsked({ syntax }: Endpoint, { inquiryType, interfaceId, object, versionOption }: LookupRequest): boolean {
  // No endpoint here is registered for an object.
  if ((inquiryType === 2 || inquiryType === 3) && object !== null && object !== nilGuid) return false;
  if (inquiryType !== 1 && inquiryType !== 3) return true;
  if (interfaceId === null || interfaceId.uuid !== syntax.uuid) return false;
  switch (versionOption) {
    case 2:
      return syntax.major === interfaceId.major && syntax.minor >= interfaceId.minor;
    case 3:
      return sameSyntax(syntax, interfaceId);
    case 4:
      return syntax.major === interfaceId.major;
    case 5:
      return (
        syntax.major < interfaceId.major || (syntax.major === interfaceId.major && syntax.minor <= interfaceId.minor)
      );
    default:
      return true;
  }
}

function read<T>(parameters: NdrParameters<T>, { stub, littleEndian }: RpcCall): T {
  return parameters.read(new NdrReader(stub, { what: parameters.name, littleEndian }));
}

function write<T>(parameters: NdrParameters<T>, value: T): Uint8Array {
  const writer = new NdrWriter();
  parameters.write(writer, value);
  return writer.toBytes();
}

/** ept_s_not_registered. */
const nothingFound = 0x16c9_a0d6;
const insufficientBuffer = 122;
const lastOperation = 6;
const maxEntries = 500;
const maxHandles = 64;
