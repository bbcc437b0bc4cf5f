import { CarmineError, isCarmineError } from '@carmine/errors';

/** Fault statuses, C706 appendix N and [MS-RPCE] 3.1.1.5.5. */
export const faultStatus = {
  accessDenied: 0x0000_0005,
  badStubData: 0x0000_06f7,
  securityPackage: 0x0000_0721,
  cancelled: 0x1c00_000d,
  contextMismatch: 0x1c00_001a,
  invalidPresentationContext: 0x1c00_001c,
  opnumRange: 0x1c01_0002,
  unknownInterface: 0x1c01_0003,
  protocolError: 0x1c01_000b,
  tooBusy: 0x1c01_0014,
  /** RPC_E_SERVERFAULT: our own bug. */
  serverFault: 0x8001_0105,
} as const;

/** What a handler throws to have the call answered with a fault, and what a client gets for one. */
export function rpcFault(status: number): CarmineError<'rpc/fault'> {
  const hex = `0x${(status >>> 0).toString(16).toUpperCase().padStart(8, '0')}`;
  return new CarmineError('rpc/fault', { context: { status: hex, value: status >>> 0 }, hresult: hresultOf(status) });
}

/** The status that an error is told as. */
export function statusOf(thrown: unknown): number {
  if (isCarmineError(thrown, 'rpc/fault')) return Number(thrown.context['value'] ?? faultStatus.serverFault);
  if (isCarmineError(thrown)) {
    if (thrown.code.startsWith('wire/')) return faultStatus.badStubData;
    if (thrown.code === 'internal/aborted') return faultStatus.cancelled;
    if (thrown.kind === 'refused') return faultStatus.accessDenied;
    if (thrown.hresult !== undefined && thrown.code !== 'internal/unexpected') return thrown.hresult;
  }
  return faultStatus.serverFault;
}

/** Fault of a peer as an error of ours: refusals are `auth/access-denied`. */
export function faultError(status: number): CarmineError {
  if (status === faultStatus.accessDenied || status === 0x8007_0005)
    return new CarmineError('auth/access-denied', { cause: rpcFault(status) });
  if (status === faultStatus.cancelled) return new CarmineError('internal/aborted');
  return rpcFault(status);
}

/** [MS-RPCE] 3.1.1.5.5: nca statuses become Win32 codes; those are HRESULTs in facility 7. */
function hresultOf(status: number): number {
  const win32 = win32Codes[status] ?? (status > 0 && status <= 0xffff ? status : undefined);
  return win32 === undefined ? status >>> 0 : (0x8007_0000 | win32) >>> 0;
}

const win32Codes: Readonly<Record<number, number>> = {
  [faultStatus.opnumRange]: 0x6d1,
  [faultStatus.unknownInterface]: 0x6b5,
  [faultStatus.protocolError]: 0x6c0,
  [faultStatus.tooBusy]: 0x6bb,
  [faultStatus.invalidPresentationContext]: 0x6b5,
  [faultStatus.contextMismatch]: 0x6,
};
