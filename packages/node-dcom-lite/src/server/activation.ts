import { authLevels, faultStatus, type RpcCall, type RpcInterface, rpcFault } from '@carmine/dcerpc';
import { CarmineError, isCarmineError } from '@carmine/errors';
import { nilGuid } from '@carmine/wire';
import { NdrReader, NdrWriter } from '@carmine/wire/ndr';
import { comVersion, iids } from '../identifiers.ts';
import {
  type ActivatedInterface,
  type ActivationRequest,
  readActivationRequest,
  type ScmReply,
  writeActivationReply,
} from '../messages/activation-properties.ts';
import { requirePointer, writeOrpcThat } from '../messages/orpc.ts';
import {
  activatorResponse,
  classObjectMode,
  createInstanceRequest,
  getClassObjectRequest,
  remoteActivationRequest,
  remoteActivationResponse,
} from '../messages/resolver.ts';
import { comStatus } from '../status.ts';
import { checkOrpcThis } from './orpc-header.ts';

/** What activation needs of the server. */
export interface Activator {
  /** The interfaces asked for of a new object or class object. Throws a CarmineError whose HRESULT is the answer. */
  activate(request: ActivationRequest, classObject: boolean, call: RpcCall): readonly ActivatedInterface[];
  /** Where the object exporter is for this caller. */
  exporter(call: RpcCall): ScmReply;
}

/** IRemoteSCMActivator, [MS-DCOM] 3.1.2.5.2.3: what Windows, impacket and aiowmi activate with. */
export function createScmActivator(activator: Activator): RpcInterface {
  return {
    syntax: { uuid: iids.remoteScmActivator, major: 0, minor: 0 },
    invoke(call) {
      const isClassObject = call.opnum === 3;
      if (!isClassObject && call.opnum !== 4) throw rpcFault(faultStatus.opnumRange);
      const reader = readerOf(call);
      const { version } = checkOrpcThis(reader, 'activation');
      const properties = isClassObject
        ? getClassObjectRequest.read(reader).properties
        : createInstanceRequest.read(reader).properties;
      const writer = new NdrWriter();
      writeOrpcThat(writer, 1);
      const answer = attempt(() => {
        const request = readActivationRequest(requirePointer(properties, 'pActProperties'));
        const interfaces = activator.activate(request, isClassObject, call);
        const scm = activator.exporter(call);
        return writeActivationReply({ interfaces, scm: { ...scm, serverVersion: version } });
      });
      if ('value' in answer) activatorResponse.write(writer, { properties: answer.value, hresult: 0 });
      else activatorResponse.write(writer, { properties: null, hresult: answer.hresult });
      return writer.toBytes();
    },
  };
}

/** IActivation, [MS-DCOM] 3.1.2.5.2.2: what go-msrpc and older clients activate with. */
export function createActivation(activator: Activator): RpcInterface {
  return {
    syntax: { uuid: iids.activation, major: 0, minor: 0 },
    invoke(call) {
      if (call.opnum !== 0) throw rpcFault(faultStatus.opnumRange);
      const reader = readerOf(call);
      const { version } = checkOrpcThis(reader, 'activation');
      const request = remoteActivationRequest.read(reader);
      const asked = request.iids ?? [];
      const writer = new NdrWriter();
      writeOrpcThat(writer, 1);
      const answer = attempt(() => {
        if (asked.length === 0) throw new CarmineError('dcom/invalid-objref', { context: { reason: 'no interfaces' } });
        const { clsid, mode } = request;
        return activator.activate({ clsid, iids: asked }, mode === classObjectMode, call);
      });
      const done = 'value' in answer ? answer.value : undefined;
      const scm = done === undefined ? nowhere : activator.exporter(call);
      remoteActivationResponse.write(writer, {
        ...scm,
        version,
        hresult: 'value' in answer ? 0 : answer.hresult,
        pointers: asked.map((_, i) => done?.[i]?.objref ?? null),
        results: asked.map((_, i) => done?.[i]?.hresult ?? 0),
        status: 0,
      });
      return writer.toBytes();
    },
  };
}

function readerOf({ stub, littleEndian }: RpcCall): NdrReader {
  return new NdrReader(stub, { what: 'activation', littleEndian });
}

/** Failures of activation are HRESULTs; what cannot be read is a fault. */
function attempt<T>(work: () => T): { readonly value: T } | { readonly hresult: number } {
  try {
    return { value: work() };
  } catch (error) {
    if (!isCarmineError(error) || error.hresult === undefined || error.code === 'internal/unexpected') throw error;
    return { hresult: error.kind === 'refused' ? comStatus.accessDenied : error.hresult };
  }
}

const nowhere = {
  oxid: 0n,
  bindings: null,
  ipidRemUnknown: nilGuid,
  authnHint: 0,
  serverVersion: comVersion,
} satisfies ScmReply;

/** For ServerAlive2 and ScmReplyInfo. */
export const defaultAuthnHint = authLevels.privacy;
