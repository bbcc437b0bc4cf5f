import { hresultTable } from './hresult-table.ts';

/** One known result code. */
export interface HresultEntry {
  /** Unsigned 32-bit value. */
  readonly value: number;
  readonly name: string;
  readonly meaning: string;
  /** What a person can do about it. */
  readonly remedy: string;
}

/** Every known code that is not computed from an HTTP status. */
export const hresultEntries: readonly HresultEntry[] = hresultTable.map(([value, name, meaning, remedy]) => ({
  value,
  name,
  meaning,
  remedy,
}));

const byValue = new Map(hresultEntries.map((entry) => [entry.value, entry]));

/** Finds a code; HTTP statuses (facility 0x19) are computed, the rest comes from the table. */
export function lookUpHresult(value: number): HresultEntry | undefined {
  const unsigned = value >>> 0;
  return byValue.get(unsigned) ?? fromHttp(unsigned);
}

/** BG_E_HTTP_ERROR_n: 0x80190000 | status (BITS Return Values). */
export function hresultFromHttpStatus(status: number): number {
  return (0x80190000 | status) >>> 0;
}

/** HRESULT_FROM_WIN32: 0x80070000 | code. */
export function hresultFromWin32(code: number): number {
  return (0x80070000 | (code & 0xffff)) >>> 0;
}

/** True for values with the severity bit. */
export function isFailure(value: number): boolean {
  return value >>> 31 === 1;
}

/** `0x` and eight upper-case digits, as Windows prints it. */
export function formatHresult(value: number): string {
  return `0x${(value >>> 0).toString(16).toUpperCase().padStart(8, '0')}`;
}

function fromHttp(value: number): HresultEntry | undefined {
  if (value >>> 16 !== 0x8019) return undefined;
  const status = value & 0xffff;
  if (status < 100 || status > 599) return undefined;
  const [meaning, remedy] = httpTexts[status] ?? [`HTTP status ${status}`, httpClassRemedy(status)];
  return { value, name: `BG_E_HTTP_ERROR_${status}`, meaning, remedy };
}

function httpClassRemedy(status: number): string {
  return status >= 500
    ? 'The server has a problem: see its log. The job tries again by itself where that can help.'
    : 'See what the server says about this request, mend it, and resume the job.';
}

const httpTexts: Readonly<Record<number, readonly [meaning: string, remedy: string]>> = {
  304: ['not modified', 'The server answered as if the client had the file: check the server.'],
  400: ['bad request', 'Check that the URL group exists on the server and that the URL is spelled right.'],
  401: ['authentication failed', 'Check the credentials of the job (carmine job credentials) and resume it.'],
  403: ['forbidden', 'The account may not read this URL: check the SDDL and the certificate of the URL.'],
  404: ['not found', 'Publish the file (carmine url create), then resume the job.'],
  405: ['method not allowed', 'The server refuses this method: check that the URL is one of a file server.'],
  407: [
    'proxy authentication failed',
    'Set proxy credentials (carmine job credentials --target proxy) and resume the job.',
  ],
  408: ['request timed out', 'The job tries again by itself.'],
  409: ['conflict', 'The job tries again by itself.'],
  412: ['precondition failed', 'The file on the server changed; the transfer starts again by itself.'],
  416: ['range not satisfiable', 'The file on the server is shorter than it was: publish the right one and resume.'],
  500: ['internal server error', 'See the log of the server; the job tries again by itself.'],
  501: ['not implemented', 'The server does not support this: use another server.'],
  503: ['service unavailable', 'The server is busy or draining; the job tries again by itself.'],
};
