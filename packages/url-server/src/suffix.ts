import { CarmineError } from '@carmine/errors';

/**
 * UNSPECIFIED: BITS says nothing of URL suffixes. Carmine's are one or more segments separated by `/`, no dot segments,
 * at most 2,048 characters, compared case-insensitively as HTTP.SYS compares URLs. They are keys of a table and never
 * become part of a path.
 *
 * Returns the key under which the suffix is looked up; throws `url/invalid-suffix`.
 */
export function suffixKey(suffix: string): string {
  if (suffix.length === 0) throw invalid('it is empty');
  if (suffix.length > maximumLength) throw invalid(`longer than ${maximumLength} characters`);
  if (forbidden.test(suffix)) throw invalid('it has a character that is not allowed');
  for (const segment of suffix.split('/')) {
    if (segment === '') throw invalid('it has an empty segment');
    if (segment === '.' || segment === '..') throw invalid('dot segments are not allowed');
  }
  return suffix.normalize('NFC').toLowerCase();
}

/** Control characters, what ends a path in a URL, and what some would read as an escape or a separator. */
const forbidden = /[\u0000-\u001f\u007f\\?#%"<>|*:]/;
const maximumLength = 2048;

function invalid(reason: string): CarmineError {
  return new CarmineError('url/invalid-suffix', { context: { reason } });
}
