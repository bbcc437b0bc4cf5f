import { CarmineError } from '@carmine/errors';
import { badBlocks, longestBlockList, parseBlockList } from './block-list.ts';
import type { DiskFile } from './disk.ts';
import type { Extent } from './extents.ts';
import { refuseContentEncoding } from './headers.ts';
import { statusError } from './http-status.ts';
import type { Receiver } from './receiver.ts';
import type { Source } from './source.ts';

/** SHA-256 of each block of a file, Base64. */
export type BlockDigests = (file: DiskFile, length: number, blockSize: number) => Promise<readonly string[]>;

/** Which parts of the file on the disk are not those of the source, as the origin's block list has it; rejects without a usable list. */
export async function findBadBlocks(
  receiver: Receiver,
  url: string,
  source: Source,
  file: DiskFile,
  digests: BlockDigests,
): Promise<readonly Extent[]> {
  const text = await fetchText(receiver, url, longestBlockList(source.length));
  const list = parseBlockList(text, source, new URL(url).origin);
  return badBlocks(list, await digests(file, source.length, list.blockSize), source.length);
}

function fetchText(receiver: Receiver, url: string, longest: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const decoder = new TextDecoder();
    let text = '';
    let length = 0;
    const fail = (thrown: unknown) => {
      exchange.abort();
      reject(CarmineError.from(thrown));
    };
    const exchange = receiver.request(
      { method: 'GET', url },
      {
        onHead(head) {
          try {
            if (head.status !== 200) throw statusError(head.status);
            refuseContentEncoding(head.headers);
          } catch (thrown) {
            fail(thrown);
          }
        },
        onData(chunk, release) {
          length += chunk.length;
          if (length <= longest) text += decoder.decode(chunk, { stream: true });
          release?.();
          if (length <= longest) return;
          const { origin } = new URL(url);
          fail(new CarmineError('transfer/invalid-response', { context: { origin, reason: 'too long a block list' } }));
        },
        onEnd: () => resolve(text + decoder.decode()),
        onError: reject,
      },
    );
  });
}
