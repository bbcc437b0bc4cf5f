import { CarmineError } from '@carmine/errors';
import type { Extent } from './extents.ts';
import { type Source, type Validator, validatorOf } from './source.ts';

/** Part of a file that is fetched alone (`AddFileWithRanges`, spec/bits.md 4.9). */
export interface FileRange {
  readonly offset: number;
  /** Bytes; absent: to the end of the file (BG_LENGTH_TO_EOF). */
  readonly length?: number | undefined;
}

/** Checks ranges as far as that is possible without the file: at least one, none empty, none overlapping, 500 at most. */
export function checkRanges(ranges: readonly FileRange[]): void {
  if (ranges.length > maximumRanges) {
    throw new CarmineError('transfer/too-many-ranges', { context: { maximum: maximumRanges } });
  }
  for (const range of ranges) {
    const { offset, length = 1 } = range;
    if (Number.isSafeInteger(offset) && offset >= 0 && Number.isSafeInteger(offset + length) && length > 0) continue;
    throw new CarmineError('transfer/invalid-range', { context: { range: nameOf(range) } });
  }
  if (ranges.length === 0) throw new CarmineError('transfer/invalid-range', { context: { range: 'none' } });
  const sorted = ranges.toSorted((a, b) => a.offset - b.offset);
  for (const [index, range] of sorted.entries()) {
    const next = sorted[index + 1];
    if (next === undefined || range.offset + (range.length ?? Number.POSITIVE_INFINITY) <= next.offset) continue;
    const [first, other] = [nameOf(range), nameOf(next)];
    throw new CarmineError('transfer/overlapping-ranges', { context: { range: first, other } });
  }
}

/** The ranges in a file of this length, in the order given; `transfer/invalid-range` when it has not all of them. */
export function placeRanges(ranges: readonly FileRange[], length: number): readonly Extent[] {
  return ranges.map((range) => {
    const end = range.length === undefined ? length : range.offset + range.length;
    if (range.offset >= length || end > length) {
      throw new CarmineError('transfer/invalid-range', { context: { range: nameOf(range) } });
    }
    return { start: range.offset, end };
  });
}

/**
 * What is where: of the bytes from `start` to `end` of the ranges written one after the other, the parts of the file, in their order
 * (MC-BUP 3.6.5.2.4.3). Parts that follow each other in the file as well stay two, so that each is of one range.
 */
export function partsOf(placed: readonly Extent[], start: number, end: number): readonly Extent[] {
  const parts: Extent[] = [];
  let at = 0;
  for (const range of placed) {
    const from = Math.max(start - at, 0);
    const to = Math.min(end - at, range.end - range.start);
    if (from < to) parts.push({ start: range.start + from, end: range.start + to });
    at += range.end - range.start;
  }
  return parts;
}

/**
 * What the ranges of one version of a file are, as a file of their own. Its tag says which ranges of which version: no others are ever joined with
 * them. Without a tag or a time there is none, and nothing is joined.
 */
export function sourceOfRanges(ranges: readonly FileRange[], source: Source): Source {
  const length = placeRanges(ranges, source.length).reduce((sum, { start, end }) => sum + end - start, 0);
  const validator = validatorOf(source);
  if (validator === undefined) return { length };
  const { kind, value } = validator;
  const etag = `"${kind === 'etag' ? 'e' : 'm'};${ranges.map(nameOf).join()};${encodeURIComponent(value)}"`;
  return { length, etag, lastModified: source.lastModified };
}

/** What the tag of `sourceOfRanges` was made of; undefined when it is of other ranges, or none of those tags. */
export function validatorOfRanges(ranges: readonly FileRange[], tag: Validator): Validator | undefined {
  const [, kind, names, value] = /^"([em]);([^;]*);([^"]*)"$/.exec(tag.value) ?? [];
  if (tag.kind !== 'etag' || value === undefined || names !== ranges.map(nameOf).join()) return undefined;
  return { kind: kind === 'e' ? 'etag' : 'lastModified', value: decodeURIComponent(value) };
}

/** As `bitsadmin /addfilewithranges` has it. */
function nameOf({ offset, length }: FileRange): string {
  return `${offset}:${length ?? 'eof'}`;
}

/** MaxRangesPerFile, spec/bits.md 4.3. */
const maximumRanges = 500;
