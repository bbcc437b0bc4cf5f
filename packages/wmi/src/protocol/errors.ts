import { CarmineError, type ErrorCode, errorFromHresult } from '@carmine/errors';
import { wbem } from './constants.ts';

/** The HRESULT that a failure is told as ([MS-WMI] 2.2.11). */
export function hresultOf(thrown: unknown): number {
  const error = CarmineError.from(thrown);
  if (error.code === 'internal/unexpected') return wbem.failed;
  if (error.code.startsWith('wire/')) return wbem.invalidObject;
  return error.hresult ?? (error.kind === 'refused' ? wbem.accessDenied : wbem.failed);
}

/** The error behind an HRESULT of a server, so that callers cannot tell it from one of this process. */
export function errorOf(hresult: number, what: string): CarmineError {
  const code = codes[hresult];
  if (code === undefined) return errorFromHresult(hresult, what);
  const { message } = errorFromHresult(hresult, what);
  return new CarmineError(code, { message, hresult });
}

/** Where several codes share a number, or the number is a success. */
const codes: Readonly<Record<number, ErrorCode>> = {
  [wbem.notFound]: 'cim/not-found',
  [wbem.accessDenied]: 'auth/access-denied',
  2147942405: 'auth/access-denied',
  2147749946: 'cim/invalid-object-path',
};
