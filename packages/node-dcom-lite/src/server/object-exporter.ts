import { faultStatus, type RpcCall, type RpcInterface, rpcFault } from '@carmine/dcerpc';
import { nilGuid } from '@carmine/wire';
import { type NdrParameters, NdrReader, NdrWriter } from '@carmine/wire/ndr';
import { comVersion, iids } from '../identifiers.ts';
import type { ScmReply } from '../messages/activation-properties.ts';
import type { DualStringArray } from '../messages/dual-string-array.ts';
import {
  complexPingRequest,
  complexPingResponse,
  resolveOxid2Response,
  resolveOxidRequest,
  resolveOxidResponse,
  serverAlive2Response,
  simplePingRequest,
  statusResponse,
} from '../messages/resolver.ts';
import { comStatus } from '../status.ts';
import type { PingSets } from './ping-sets.ts';

export interface ResolverOptions {
  readonly oxid: bigint;
  readonly pings: PingSets;
  readonly exporter: (call: RpcCall) => ScmReply;
  readonly resolverBindings: (call: RpcCall) => DualStringArray;
}

/** IObjectExporter, [MS-DCOM] 3.1.2.5.1. ServerAlive and ServerAlive2 are answered to anybody: the document demands it. */
export function createObjectExporter(options: ResolverOptions): RpcInterface {
  const { oxid, pings } = options;
  function resolve(call: RpcCall): ScmReply | undefined {
    const asked = read(resolveOxidRequest, call);
    return asked.oxid === oxid ? options.exporter(call) : undefined;
  }
  const nowhere = { bindings: null, ipidRemUnknown: nilGuid, authnHint: 0, status: comStatus.invalidOxid };
  return {
    syntax: { uuid: iids.objectExporter, major: 0, minor: 0 },
    open: new Set([3, 5]),
    invoke(call) {
      switch (call.opnum) {
        case 0:
          return write(resolveOxidResponse, { ...nowhere, ...found(resolve(call)) });
        case 1:
          return write(statusResponse, {
            status: pings.simple(read(simplePingRequest, call).setId, call.token.userSid),
          });
        case 2: {
          const { setId, sequence, add, remove } = read(complexPingRequest, call);
          const done = pings.complex(setId, call.token.userSid, sequence, add ?? [], remove ?? []);
          return write(complexPingResponse, { setId: done.id, backoff: 0, status: done.status });
        }
        case 3:
          return write(statusResponse, { status: 0 });
        case 4:
          return write(resolveOxid2Response, { ...nowhere, ...found(resolve(call)), version: comVersion });
        case 5:
          return write(serverAlive2Response, {
            version: comVersion,
            bindings: options.resolverBindings(call),
            reserved: 0,
            status: 0,
          });
        default:
          throw rpcFault(faultStatus.opnumRange);
      }
    },
  };
}

function found(reply: ScmReply | undefined) {
  if (reply === undefined) return undefined;
  const { bindings, ipidRemUnknown, authnHint } = reply;
  return { bindings, ipidRemUnknown, authnHint, status: 0 };
}

function read<T>(parameters: NdrParameters<T>, { stub, littleEndian }: RpcCall): T {
  return parameters.read(new NdrReader(stub, { what: parameters.name, littleEndian }));
}

function write<T>(parameters: NdrParameters<T>, value: T): Uint8Array {
  const writer = new NdrWriter();
  parameters.write(writer, value);
  return writer.toBytes();
}
