import { CarmineError } from './carmine-error.ts';
import { type ErrorCode, type ErrorDefinition, errorDefinitions } from './codes.ts';
import { formatHresult, lookUpHresult } from './hresult.ts';

/**
 * The error for an HRESULT that a peer returned. The code is that of the registry entry which carries this HRESULT
 * (the first of its domain order), so that callers can branch on it; the message is the table's meaning, or `text` where
 * the peer gave one of its own.
 */
export function errorFromHresult(hresult: number, what: string, text?: string): CarmineError {
  const value = hresult >>> 0;
  const entry = lookUpHresult(value);
  const message =
    text ?? `${what}: ${entry === undefined ? 'failed' : `${entry.meaning} (${entry.name})`} [${formatHresult(value)}]`;
  const code = codeOf.get(value) ?? 'cim/failed';
  return new CarmineError(code, { hresult: value, message });
}

/** Several codes may share an HRESULT; the plainest one speaks for it when only the number is known. */
const preferred: readonly ErrorCode[] = [
  'auth/access-denied',
  'file/access-denied',
  'job/invalid-argument',
  'url/not-found',
  'transfer/untrusted',
];

const codeOf = new Map<number, ErrorCode>();
for (const code of [...preferred, ...(Object.keys(errorDefinitions) as ErrorCode[])]) {
  const { hresult }: ErrorDefinition = errorDefinitions[code];
  if (hresult !== undefined && !codeOf.has(hresult)) codeOf.set(hresult, code);
}
