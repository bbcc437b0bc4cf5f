/** A part of a representation; both ends inclusive. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

export type RangeOutcome =
  /** No Range, or one to be ignored (another unit, malformed, several ranges): the whole representation. */
  | { readonly kind: 'whole' }
  | { readonly kind: 'part'; readonly range: ByteRange }
  | { readonly kind: 'unsatisfiable' };

/**
 * Reads a Range header, RFC 9110 section 14.1.2:
 *
 *     ranges-specifier = "bytes=" 1#( first "-" [ last ] / "-" suffix-length )
 *
 * One range is answered. UNSPECIFIED here: several ranges are answered with the whole representation, which the RFC
 * allows and after which BITS asks for single ones.
 */
export function parseRange(header: string | undefined, length: number): RangeOutcome {
  const match =
    header === undefined ? null : /^bytes\s*=\s*(?:(\d{1,16})-(\d{0,16})|-(\d{1,16}))\s*$/i.exec(header.trim());
  if (match === null) return { kind: 'whole' };
  const [, firstText, lastText, suffixText] = match;
  if (suffixText !== undefined) {
    const suffix = Math.min(Number(suffixText), length);
    return suffix === 0
      ? { kind: 'unsatisfiable' }
      : { kind: 'part', range: { first: length - suffix, last: length - 1 } };
  }
  const first = Number(firstText);
  const last = lastText === '' || lastText === undefined ? length - 1 : Math.min(Number(lastText), length - 1);
  if (lastText !== '' && Number(lastText) < first) return { kind: 'whole' };
  return first >= length ? { kind: 'unsatisfiable' } : { kind: 'part', range: { first, last } };
}
