/** A part of a representation; both ends inclusive. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

export type RangeOutcome =
  /** No Range, or one to be ignored (another unit, malformed, too much): the whole representation. */
  | { readonly kind: 'whole' }
  | { readonly kind: 'part'; readonly range: ByteRange }
  /** Two or more, in the order in which they were asked for. */
  | { readonly kind: 'parts'; readonly ranges: readonly ByteRange[] }
  | { readonly kind: 'unsatisfiable' };

/**
 * Reads a Range header, RFC 9110 section 14.1.2:
 *
 *     ranges-specifier = "bytes=" 1#( first "-" [ last ] / "-" suffix-length )
 *
 * Ranges that start behind the end are left out; when only one remains it is answered alone.
 *
 * UNSPECIFIED: more than 200 ranges, or ranges that together are longer than the file (only overlapping ones can be), are
 * ignored, as RFC 9110 section 14.2 allows. The whole file is never more than a plain GET gives, and BITS takes a 200 for
 * "ask one by one", where a 416 would end the job.
 */
export function parseRange(header: string | undefined, length: number): RangeOutcome {
  const one = header === undefined ? null : plain.exec(header);
  if (one !== null) return inOrder(Number(one[1]), Number(one[2]), length);
  const [, set] = /^bytes\s*=(.*)$/i.exec(header?.trim() ?? '') ?? [];
  if (set === undefined) return { kind: 'whole' };
  const ranges: ByteRange[] = [];
  let [asked, total] = [0, 0];
  for (const element of set.split(',')) {
    const text = element.trim();
    // RFC 9110 section 5.6.1.2: empty elements of a list are nothing.
    if (text === '') continue;
    const range = parseElement(text, length);
    if (range === 'malformed' || ++asked > maximumRanges) return { kind: 'whole' };
    if (range === 'unsatisfiable') continue;
    total += range.last - range.first + 1;
    if (total > length) return { kind: 'whole' };
    ranges.push(range);
  }
  if (asked === 0) return { kind: 'whole' };
  const [first] = ranges;
  if (first === undefined) return { kind: 'unsatisfiable' };
  return ranges.length === 1 ? { kind: 'part', range: first } : { kind: 'parts', ranges };
}

/** What nearly everybody asks for. */
function inOrder(first: number, last: number, length: number): RangeOutcome {
  if (last < first) return { kind: 'whole' };
  if (first >= length) return { kind: 'unsatisfiable' };
  return { kind: 'part', range: { first, last: Math.min(last, length - 1) } };
}

function parseElement(text: string, length: number): ByteRange | 'malformed' | 'unsatisfiable' {
  const match = /^(?:(\d{1,16})-(\d{0,16})|-(\d{1,16}))$/.exec(text);
  if (match === null) return 'malformed';
  const [, firstText, lastText, suffixText] = match;
  if (suffixText !== undefined) {
    const suffix = Math.min(Number(suffixText), length);
    return suffix === 0 ? 'unsatisfiable' : { first: length - suffix, last: length - 1 };
  }
  const first = Number(firstText);
  const last = lastText === '' || lastText === undefined ? length - 1 : Math.min(Number(lastText), length - 1);
  if (lastText !== '' && Number(lastText) < first) return 'malformed';
  return first >= length ? 'unsatisfiable' : { first, last };
}

const plain = /^bytes=(\d{1,16})-(\d{1,16})$/;
const maximumRanges = 200;
