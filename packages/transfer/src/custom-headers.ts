import { CarmineError } from '@carmine/errors';

/** A header field of the caller's. */
export type CustomHeader = readonly [name: string, value: string];

/**
 * Checks fields that go with every request to the file's own origin (spec/bits.md 4.10). Throws `job/invalid-argument` for what is no
 * field, for what would change what is asked for or how it is framed, and beyond 16,384 characters together.
 */
export function checkHeaders(headers: readonly CustomHeader[]): Readonly<Record<string, string>> {
  const checked: Record<string, string> = {};
  let length = 0;
  for (const [name, value] of headers) {
    const lower = name.toLowerCase();
    if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(lower)) throw invalid('a name that is none');
    if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) throw invalid(`${lower}: characters that cannot be in a value`);
    if (reserved.has(lower)) throw invalid(`${lower} is not the caller's`);
    length += name.length + value.length + 4;
    checked[lower] = lower in checked ? `${checked[lower]}, ${value}` : value;
  }
  if (length > longest) throw invalid(`more than ${longest} characters`);
  return checked;
}

function invalid(reason: string): CarmineError {
  return new CarmineError('job/invalid-argument', { context: { name: 'headers', reason } });
}

const longest = 16_384;
const reserved = new Set([
  'accept-encoding',
  'connection',
  'content-length',
  'expect',
  'host',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'keep-alive',
  'proxy-authorization',
  'range',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
