import { CarmineError } from '@carmine/errors';

/** Contents octets of an OBJECT IDENTIFIER, X.690 8.19, from dotted decimal text. */
export function encodeObjectIdentifier(text: string): Uint8Array {
  if (!/^[0-2](\.(0|[1-9]\d*))+$/.test(text)) unencodable(text);
  const arcs = text.split('.').map(BigInt);
  const [first, second, ...rest] = arcs as [bigint, bigint, ...bigint[]];
  if (first < 2n && second > 39n) unencodable(text);
  const out: number[] = [];
  for (const arc of [first * 40n + second, ...rest]) {
    const septets: number[] = [Number(arc & 0x7fn)];
    for (let left = arc >> 7n; left > 0n; left >>= 7n) septets.unshift(Number(left & 0x7fn) | 0x80);
    out.push(...septets);
  }
  return Uint8Array.from(out);
}

/** Dotted decimal text; arcs in more than their shortest form, and unfinished ones, are `wire/invalid`. */
export function decodeObjectIdentifier(contents: Uint8Array): string {
  if (contents.length === 0) invalid('empty');
  if (contents.length > maxContents) {
    throw new CarmineError('wire/limit', {
      context: { what: 'OBJECT IDENTIFIER', actual: contents.length, limit: maxContents },
    });
  }
  const arcs: bigint[] = [];
  let arc = 0n;
  let started = false;
  for (const octet of contents) {
    if (!started && octet === 0x80) invalid('arc with a leading zero');
    arc = (arc << 7n) | BigInt(octet & 0x7f);
    started = (octet & 0x80) !== 0;
    if (!started) {
      arcs.push(arc);
      arc = 0n;
    }
  }
  if (started) invalid('last arc is unfinished');
  const [head, ...rest] = arcs as [bigint, ...bigint[]];
  const first = head < 40n ? 0n : head < 80n ? 1n : 2n;
  return [first, head - first * 40n, ...rest].join('.');
}

function invalid(reason: string): never {
  throw new CarmineError('wire/invalid', { context: { what: 'OBJECT IDENTIFIER', reason } });
}

function unencodable(text: string): never {
  throw new CarmineError('wire/unencodable', { context: { what: 'OBJECT IDENTIFIER', reason: text } });
}

/** Real identifiers stay far below; arcs as bigints cost quadratic time. */
const maxContents = 128;
