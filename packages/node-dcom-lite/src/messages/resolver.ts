import { ndrArray, ndrGuid, ndrParameters, ndrU16, ndrU32, ndrU64, ndrUnique, ndrWideString } from '@carmine/wire/ndr';
import { dualStringArrayType } from './dual-string-array.ts';
import { comVersionType, hresult, interfaceParameter, interfacePointer } from './orpc.ts';

/** IObjectExporter, [MS-DCOM] 3.1.2.5.1: operations and messages, without ORPCTHIS. */
export const resolveOxidRequest = ndrParameters('ResolveOxid', [
  ['oxid', ndrU64],
  ['cProtseqs', ndrU16, { countOf: 'protseqs' }],
  ['protseqs', ndrArray(ndrU16, 0x8000)],
]);
const resolved = [
  ['bindings', ndrUnique(dualStringArrayType)],
  ['ipidRemUnknown', ndrGuid],
  ['authnHint', ndrU32],
] as const;
export const resolveOxidResponse = ndrParameters('ResolveOxid', [...resolved, ['status', ndrU32]]);
export const resolveOxid2Response = ndrParameters('ResolveOxid2', [
  ...resolved,
  ['version', comVersionType],
  ['status', ndrU32],
]);
export const simplePingRequest = ndrParameters('SimplePing', [['setId', ndrU64]]);
export const statusResponse = ndrParameters('status', [['status', ndrU32]]);
export const complexPingRequest = ndrParameters('ComplexPing', [
  ['setId', ndrU64],
  ['sequence', ndrU16],
  ['cAdd', ndrU16, { countOf: 'add' }],
  ['cDelete', ndrU16, { countOf: 'remove' }],
  ['add', ndrUnique(ndrArray(ndrU64, 0xffff))],
  ['remove', ndrUnique(ndrArray(ndrU64, 0xffff))],
]);
export const complexPingResponse = ndrParameters('ComplexPing', [
  ['setId', ndrU64],
  ['backoff', ndrU16],
  ['status', ndrU32],
]);
export const serverAlive2Response = ndrParameters('ServerAlive2', [
  ['version', comVersionType],
  ['bindings', ndrUnique(dualStringArrayType)],
  ['reserved', ndrU32],
  ['status', ndrU32],
]);

/** IRemoteSCMActivator, [MS-DCOM] 3.1.2.5.2.3; ORPCTHIS and ORPCTHAT stand before. */
export const getClassObjectRequest = ndrParameters('RemoteGetClassObject', [['properties', interfaceParameter]]);
export const createInstanceRequest = ndrParameters('RemoteCreateInstance', [
  ['outer', interfaceParameter],
  ['properties', interfaceParameter],
]);
export const activatorResponse = ndrParameters('RemoteCreateInstance', [
  ['properties', interfaceParameter],
  ['hresult', hresult],
]);

/** IActivation, [MS-DCOM] 3.1.2.5.2.2. */
export const remoteActivationRequest = ndrParameters('RemoteActivation', [
  ['clsid', ndrGuid],
  ['objectName', ndrUnique(ndrWideString)],
  ['storage', interfaceParameter],
  ['clientImpLevel', ndrU32],
  ['mode', ndrU32],
  ['cInterfaces', ndrU32, { countOf: 'iids' }],
  ['iids', ndrUnique(ndrArray(ndrGuid, 0x8000))],
  ['cProtseqs', ndrU16, { countOf: 'protseqs' }],
  ['protseqs', ndrArray(ndrU16, 0x8000)],
]);
export const remoteActivationResponse = ndrParameters('RemoteActivation', [
  ['oxid', ndrU64],
  ['bindings', ndrUnique(dualStringArrayType)],
  ['ipidRemUnknown', ndrGuid],
  ['authnHint', ndrU32],
  ['version', comVersionType],
  ['hresult', hresult],
  ['pointers', ndrArray(ndrUnique(interfacePointer), 0x8000)],
  ['results', ndrArray(ndrU32, 0x8000)],
  ['status', ndrU32],
]);

/** Mode of RemoteActivation that asks for the class object. */
export const classObjectMode = 0xffff_ffff;
