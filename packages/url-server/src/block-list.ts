import type { FileDigests } from './shells.ts';

/** Octets of a block. */
export const blockSize = 8 * 1024 * 1024;

/**
 * The block list of a file stands beside it, at the file's own URL with this query, for whoever may read the file. Plain BITS
 * clients never ask for it; Carmine's engine finds out with it which block is bad, and fetches that one again.
 */
export const blockListQuery = 'carmine=block-list';
export const blockListType = 'application/vnd.carmine.block-list+json';

/** Value of `Link` (RFC 8288) in an answer about a file whose list is known. */
export const blockListLink = `<?${blockListQuery}>; rel="https://carmine.invalid/rel/block-list"; type="${blockListType}"`;

/** UNSPECIFIED: longer lists are not offered: 2 TiB of file, 12 MiB of list. */
const maximumBlocks = 262_144;

export function hasBlockList({ blocks }: FileDigests): boolean {
  return blocks.length > 0 && blocks.length / digestLength <= maximumBlocks;
}

/**
 * The list as JSON, `carmine.blockList/1`.
 *
 * @param etag of the version it belongs to, with its quotes; `length` of that version in octets.
 */
export function blockListDocument({ blocks }: FileDigests, etag: string, length: number): string {
  const list: string[] = [];
  for (let at = 0; at < blocks.length; at += digestLength)
    list.push(btoa(String.fromCharCode(...blocks.subarray(at, at + digestLength))));
  const schema = 'carmine.blockList/1';
  return `${JSON.stringify({ schema, length, etag, blockSize, algorithm: 'sha-256', blocks: list })}\n`;
}

const digestLength = 32;
