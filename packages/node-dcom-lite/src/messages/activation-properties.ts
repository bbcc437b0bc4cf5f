import { CarmineError } from '@carmine/errors';
import { ByteReader, ByteWriter, concatBytes } from '@carmine/wire';
import {
  decodeSerialized,
  encodeSerialized,
  type NdrType,
  ndrArray,
  ndrGuid,
  ndrStruct,
  ndrU16,
  ndrU32,
  ndrU64,
  ndrUnique,
} from '@carmine/wire/ndr';
import { clsids, comVersion, iids } from '../identifiers.ts';
import { dualStringArrayType } from './dual-string-array.ts';
import { readObjRef, writeObjRef } from './objref.ts';
import { comVersionType, interfacePointer } from './orpc.ts';

/** CustomHeader, [MS-DCOM] 2.2.22.1. */
const customHeader = ndrStruct('CustomHeader', [
  ['totalSize', ndrU32],
  ['headerSize', ndrU32],
  ['reserved', ndrU32],
  ['destCtx', ndrU32],
  ['cIfs', ndrU32],
  ['classInfoClsid', ndrGuid],
  ['clsids', ndrUnique(ndrArray(ndrGuid, 64))],
  ['sizes', ndrUnique(ndrArray(ndrU32, 64))],
  ['opaque', ndrUnique(ndrU32)],
]);

/** InstantiationInfoData, [MS-DCOM] 2.2.22.2.1. */
const instantiationInfo = ndrStruct('InstantiationInfoData', [
  ['classId', ndrGuid],
  ['classCtx', ndrU32],
  ['actvflags', ndrU32],
  ['isSurrogate', ndrU32],
  ['cIID', ndrU32, { countOf: 'iids' }],
  ['instFlag', ndrU32],
  ['iids', ndrUnique(ndrArray(ndrGuid, 0x8000))],
  ['thisSize', ndrU32],
  ['clientVersion', comVersionType],
]);

/** ScmRequestInfoData, [MS-DCOM] 2.2.22.2.4. */
const scmRequestInfo = ndrStruct('ScmRequestInfoData', [
  ['reserved', ndrUnique(ndrU32)],
  [
    'remoteRequest',
    ndrUnique(
      ndrStruct('customREMOTE_REQUEST_SCM_INFO', [
        ['clientImpLevel', ndrU32],
        ['cProtseqs', ndrU16, { countOf: 'protseqs' }],
        ['protseqs', ndrUnique(ndrArray(ndrU16, 0x8000))],
      ]),
    ),
  ],
]);

/** ActivationContextInfoData, [MS-DCOM] 2.2.22.2.5, with nothing in it, as clients send it. */
const activationContextInfo = ndrStruct('ActivationContextInfoData', [
  ['clientOK', ndrU32],
  ['reserved1', ndrU32],
  ['reserved2', ndrU32],
  ['reserved3', ndrU32],
  ['clientContext', ndrUnique(interfacePointer)],
  ['prototypeContext', ndrUnique(interfacePointer)],
]);

/** LocationInfoData, [MS-DCOM] 2.2.22.2.6. */
const locationInfo = ndrStruct('LocationInfoData', [
  ['machineName', ndrUnique(ndrU32)],
  ['processId', ndrU32],
  ['apartmentId', ndrU32],
  ['contextId', ndrU32],
]);

/** PropsOutInfo, [MS-DCOM] 2.2.22.2.9. */
const propsOutInfo = ndrStruct('PropsOutInfo', [
  ['cIfs', ndrU32, { countOf: 'iids' }],
  ['iids', ndrUnique(ndrArray(ndrGuid, 0x8000))],
  ['results', ndrUnique(ndrArray(ndrU32, 0x8000))],
  ['pointers', ndrUnique(ndrArray(ndrUnique(interfacePointer), 0x8000))],
]);

/** ScmReplyInfoData, [MS-DCOM] 2.2.22.2.8. */
const scmReplyInfo = ndrStruct('ScmReplyInfoData', [
  ['reserved', ndrUnique(ndrU32)],
  [
    'remoteReply',
    ndrUnique(
      ndrStruct('customREMOTE_REPLY_SCM_INFO', [
        ['oxid', ndrU64],
        ['bindings', ndrUnique(dualStringArrayType)],
        ['ipidRemUnknown', ndrGuid],
        ['authnHint', ndrU32],
        ['serverVersion', comVersionType],
      ]),
    ),
  ],
]);

/** What a client asks to be activated. */
export interface ActivationRequest {
  readonly clsid: string;
  readonly iids: readonly string[];
}

/** One interface of an activated object: an OBJREF, or the HRESULT that says why not. */
export interface ActivatedInterface {
  readonly iid: string;
  readonly hresult: number;
  readonly objref: Uint8Array | null;
}

export type ScmReply = NonNullable<Parameters<(typeof scmReplyInfo)['write']>[1]['remoteReply']>;

export interface ActivationReply {
  readonly interfaces: readonly ActivatedInterface[];
  readonly scm: ScmReply;
}

/**
 * The request as an OBJREF_CUSTOM ([MS-DCOM] 2.2.22). Properties are found by class and size, in any order; unknown ones are left
 * alone. Throws `dcom/invalid-objref`.
 */
export function readActivationRequest(objref: Uint8Array): ActivationRequest {
  const properties = readProperties(objref, clsids.activationPropertiesIn);
  const data = properties.get(clsids.instantiationInfo);
  if (data === undefined) throw invalid('no InstantiationInfo');
  const info = decodeSerialized(instantiationInfo, data);
  if (info.iids === null || info.iids.length === 0) throw invalid('no interfaces');
  return { clsid: info.classId, iids: info.iids };
}

export function writeActivationRequest({ clsid, iids: asked }: ActivationRequest): Uint8Array {
  const info = (thisSize: number) =>
    encodeSerialized(instantiationInfo, {
      classId: clsid,
      classCtx: remoteServerContext,
      actvflags: 0,
      isSurrogate: 0,
      instFlag: 0,
      iids: asked,
      thisSize,
      clientVersion: comVersion,
    });
  const context = {
    clientOK: 0,
    reserved1: 0,
    reserved2: 0,
    reserved3: 0,
    clientContext: null,
    prototypeContext: null,
  };
  const location = { machineName: null, processId: 0, apartmentId: 0, contextId: 0 };
  const request = { reserved: null, remoteRequest: { clientImpLevel: 2, protseqs: [7] } };
  return writeProperties(iids.activationPropertiesIn, clsids.activationPropertiesIn, [
    [clsids.instantiationInfo, info(info(0).length)],
    [clsids.activationContextInfo, encodeSerialized(activationContextInfo, context)],
    [clsids.serverLocationInfo, encodeSerialized(locationInfo, location)],
    [clsids.scmRequestInfo, encodeSerialized(scmRequestInfo, request)],
  ]);
}

/** PropsOutInfo first, ScmReplyInfo second: clients take them by their place. */
export function writeActivationReply({ interfaces, scm }: ActivationReply): Uint8Array {
  return writeProperties(iids.activationPropertiesOut, clsids.activationPropertiesOut, [
    [
      clsids.activationPropertiesOut,
      encodeSerialized(propsOutInfo, {
        iids: interfaces.map(({ iid }) => iid),
        results: interfaces.map(({ hresult }) => hresult),
        pointers: interfaces.map(({ objref }) => objref),
      }),
    ],
    [clsids.scmReplyInfo, encodeSerialized(scmReplyInfo, { reserved: null, remoteReply: scm })],
  ]);
}

export function readActivationReply(objref: Uint8Array): ActivationReply {
  const properties = readProperties(objref, clsids.activationPropertiesOut);
  const find = <T>(clsid: string, type: NdrType<T>): T => {
    const data = properties.get(clsid);
    if (data === undefined) throw invalid(`no ${type.name}`);
    return decodeSerialized(type, data);
  };
  const { iids: asked, results, pointers } = find(clsids.activationPropertiesOut, propsOutInfo);
  const { remoteReply } = find(clsids.scmReplyInfo, scmReplyInfo);
  if (remoteReply === null || asked === null) throw invalid('an empty reply');
  const interfaces = asked.map((iid, i) => ({ iid, hresult: results?.[i] ?? 0, objref: pointers?.[i] ?? null }));
  return { interfaces, scm: remoteReply };
}

/** Activation properties BLOB, [MS-DCOM] 2.2.22: `u32 dwSize | u32 0 | CustomHeader | properties`. */
function readProperties(objref: Uint8Array, wanted: string): ReadonlyMap<string, Uint8Array> {
  const outer = readObjRef(objref);
  if (outer.kind !== 'custom' || outer.clsid !== wanted) throw invalid('not activation properties');
  try {
    const reader = new ByteReader(outer.data, { what: 'activation properties' });
    reader.skip(8);
    const start = reader.position;
    const header = decodeSerialized(customHeader, outer.data.subarray(start));
    const names = header.clsids ?? [];
    const sizes = header.sizes ?? [];
    if (names.length !== sizes.length || names.length > maxProperties) throw reader.invalid('number of properties');
    reader.skip(header.headerSize);
    const properties = new Map<string, Uint8Array>();
    for (const [i, clsid] of names.entries()) properties.set(clsid, reader.take(sizes[i] ?? 0));
    return properties;
  } catch (cause) {
    throw invalid((cause as Error).message, cause);
  }
}

function writeProperties(
  iid: string,
  clsid: string,
  properties: readonly (readonly [clsid: string, data: Uint8Array])[],
): Uint8Array {
  const bodies = properties.map(([, data]) => data);
  const total = bodies.reduce((sum, { length }) => sum + length, 0);
  const header = (size: number) =>
    encodeSerialized(customHeader, {
      totalSize: size + total,
      headerSize: size,
      reserved: 0,
      destCtx: differentMachine,
      cIfs: properties.length,
      classInfoClsid: '00000000-0000-0000-0000-000000000000',
      clsids: properties.map(([name]) => name),
      sizes: bodies.map(({ length }) => length),
      opaque: null,
    });
  const size = header(0).length;
  const data = concatBytes(
    new ByteWriter()
      .u32(size + total)
      .u32(0)
      .toBytes(),
    header(size),
    ...bodies,
  );
  return writeObjRef({ kind: 'custom', iid, clsid, data });
}

function invalid(reason: string, cause?: unknown): CarmineError {
  return new CarmineError('dcom/invalid-objref', { context: { reason }, cause });
}

/** CLSCTX_LOCAL_SERVER | CLSCTX_REMOTE_SERVER. */
const remoteServerContext = 0x14;
/** MSHCTX_DIFFERENTMACHINE. */
const differentMachine = 2;
const maxProperties = 16;
