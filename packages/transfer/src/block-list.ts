import { CarmineError } from '@carmine/errors';
import type { Extent } from './extents.ts';
import type { Source } from './source.ts';

/** SHA-256 of each block of one version of a file: the resource that an origin links to with the relation below. */
export interface BlockList {
  /** Bytes of a block; the last one may be shorter. */
  readonly blockSize: number;
  /** Base64, in order. */
  readonly blocks: readonly string[];
}

/**
 * Where the block list of a file is, by `Link` (RFC 8288): `<reference>; rel="https://carmine.invalid/rel/block-list"; type="…"`. Undefined
 * when there is none, or when it is at another origin than the file.
 */
export function blockListUrl(link: string | undefined, url: string): string | undefined {
  for (const [, reference = '', parameters = ''] of (link ?? '').matchAll(
    /<([^<>]*)>((?:\s*;\s*[a-z*]+="[^"]*")*)/gi,
  )) {
    const given = new Map(
      [...parameters.matchAll(/;\s*([a-z*]+)="([^"]*)"/gi)].map(([, name = '', value = '']) => [
        name.toLowerCase(),
        value,
      ]),
    );
    if (given.get('rel') !== relation || given.get('type') !== mediaType || !URL.canParse(reference, url)) continue;
    const target = new URL(reference, url);
    return target.origin === new URL(url).origin ? target.href : undefined;
  }
  return undefined;
}

/** Octets that a list for so long a file may have, at most. */
export function longestBlockList(length: number): number {
  return 4_096 + Math.ceil(length / smallestBlock) * bytesOfEntry;
}

/**
 * Reads a list, `carmine.blockList/1`; throws `transfer/invalid-response` unless it is of this very version and has an entry for every
 * block.
 */
export function parseBlockList(text: string, source: Source, origin: string): BlockList {
  const refuse = (reason: string): never => {
    throw new CarmineError('transfer/invalid-response', { context: { origin, reason: `block list: ${reason}` } });
  };
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    return refuse('no JSON');
  }
  if (typeof list !== 'object' || list === null) return refuse('no object');
  const { schema, length, etag, blockSize, algorithm, blocks } = list as Readonly<Record<string, unknown>>;
  if (schema !== 'carmine.blockList/1' || algorithm !== 'sha-256') return refuse('another kind');
  if (length !== source.length || source.etag === undefined || etag !== source.etag) return refuse('another version');
  if (typeof blockSize !== 'number' || !Number.isSafeInteger(blockSize) || blockSize < smallestBlock) {
    return refuse('no usable block size');
  }
  if (!Array.isArray(blocks) || blocks.length !== Math.ceil(source.length / blockSize)) return refuse('another count');
  if (!blocks.every((block) => typeof block === 'string' && /^[A-Za-z0-9+/]{43}=$/.test(block))) {
    return refuse('no digests');
  }
  return { blockSize, blocks: blocks as readonly string[] };
}

/** The blocks whose digests are not those of the list. */
export function badBlocks(list: BlockList, actual: readonly string[], length: number): readonly Extent[] {
  return list.blocks.flatMap((expected, index) => {
    if (expected === actual[index]) return [];
    const start = index * list.blockSize;
    return [{ start, end: Math.min(length, start + list.blockSize) }];
  });
}

const relation = 'https://carmine.invalid/rel/block-list';
const mediaType = 'application/vnd.carmine.block-list+json';
const smallestBlock = 64 * 1024;
/** 44 characters of Base64, quotes and a comma, and some blanks. */
const bytesOfEntry = 64;
