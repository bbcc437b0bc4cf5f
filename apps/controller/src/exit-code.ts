import { CarmineError, type ErrorCode } from '@carmine/errors';

/** Exit codes of `carmine`; a test freezes them. */
export const exitCodes = {
  done: 0,
  bug: 1,
  usage: 2,
  notFound: 3,
  refused: 4,
  transient: 5,
  transfer: 6,
  integrity: 7,
  partly: 8,
  timedOut: 9,
  localDisk: 10,
  interrupted: 130,
  terminated: 143,
} as const;

/** The exit code of a failure: by code where it matters, else by HRESULT, else by kind. */
export function exitCodeOf(thrown: unknown): number {
  const error = CarmineError.from(thrown);
  const byCode = codes[error.code];
  if (byCode !== undefined) return byCode;
  if (error.code === 'wsman/unreachable' && isUnknownHost(error)) return exitCodes.notFound;
  const byHresult = error.hresult === undefined ? undefined : hresults[error.hresult];
  if (byHresult !== undefined) return byHresult;
  if (error.code.startsWith('file/')) return exitCodes.localDisk;
  switch (error.kind) {
    case 'refused':
      return exitCodes.refused;
    case 'transient':
      return exitCodes.transient;
    case 'local':
      return error.code.startsWith('internal/') ? exitCodes.bug : exitCodes.usage;
    case 'fatal':
    case 'remote':
    case 'unsupported':
      return exitCodes.transfer;
  }
}

const codes: Partial<Record<ErrorCode, number>> = {
  'job/not-found': exitCodes.notFound,
  'url-group/not-found': exitCodes.notFound,
  'url/not-found': exitCodes.notFound,
  'cim/not-found': exitCodes.notFound,
  'cim/invalid-class': exitCodes.notFound,
  'cim/invalid-namespace': exitCodes.notFound,
  'controller/job-vanished': exitCodes.notFound,
  'controller/integrity': exitCodes.integrity,
  'controller/timed-out': exitCodes.timedOut,
  'internal/unexpected': exitCodes.bug,
  'url-group/invalid-prefix': exitCodes.usage,
  'url/invalid-suffix': exitCodes.usage,
  'job/invalid-argument': exitCodes.usage,
  'job/invalid-url': exitCodes.usage,
};

/** What a job ended with, where the kind of the code cannot tell. */
const hresults: Record<number, number> = {
  2149580883: exitCodes.integrity,
  2147942402: exitCodes.localDisk,
  2147942403: exitCodes.localDisk,
  2147942432: exitCodes.localDisk,
  2147942512: exitCodes.localDisk,
  2147942523: exitCodes.localDisk,
  2147943517: exitCodes.localDisk,
  2147942405: exitCodes.refused,
  2149122449: exitCodes.refused,
  2149122451: exitCodes.refused,
  2149122455: exitCodes.refused,
  2147942487: exitCodes.usage,
};

function isUnknownHost(error: CarmineError): boolean {
  for (let cause: unknown = error.cause; cause instanceof Error; cause = cause.cause) {
    if (['ENOTFOUND', 'EAI_NONAME'].includes(String((cause as NodeJS.ErrnoException).code))) return true;
  }
  return false;
}
