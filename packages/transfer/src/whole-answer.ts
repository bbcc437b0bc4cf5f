import { CarmineError } from '@carmine/errors';
import type { Receiver, ReceiverExchange } from './receiver.ts';
import { readSource } from './response-rules.ts';
import type { Source } from './source.ts';

/** Bytes that a small file has at most: it is received whole, and written then. */
export const smallFile = 1024 * 1024;

/** A small file as it was received. */
export interface WholeAnswer {
  readonly source: Source;
  /** Milliseconds from asking for it to the head of the answer; undefined: not known. */
  readonly elapsed: number | undefined;
  readonly chunks: readonly Uint8Array[];
  /** The chunks are not needed any more. */
  release(): void;
}

/** An answer that is being waited for. */
export interface WholeRequest {
  /** Undefined: the file is not small, and the connection is given up. */
  readonly answer: Promise<WholeAnswer | undefined>;
  /** The answer becomes `internal/aborted`, unless it is there. */
  abort(): void;
}

/** Asks for a file. `onHead` is told that there is an answer. */
export function requestWhole(receiver: Receiver, url: string, onHead?: () => void): WholeRequest {
  let abort = () => {};
  const answer = new Promise<WholeAnswer | undefined>((resolve, reject) => {
    let source: Source | undefined;
    let elapsed: number | undefined;
    let left = 0;
    let over = false;
    const chunks: Uint8Array[] = [];
    const releases: (() => void)[] = [];
    const release = () => {
      for (const each of releases.splice(0)) each();
    };
    const fail = (reason: unknown) => {
      over = true;
      release();
      reject(CarmineError.from(reason));
    };
    const lost = () => new CarmineError('transfer/connection-lost', { context: { origin: new URL(url).origin } });
    const exchange: ReceiverExchange = receiver.request(
      { method: 'GET', url },
      {
        onHead(head) {
          onHead?.();
          try {
            source = readSource(head);
            ({ elapsed } = head);
            left = source.length;
            if (left <= smallFile) return;
            over = true;
            exchange.abort();
            resolve(undefined);
          } catch (thrown) {
            exchange.abort();
            fail(thrown);
          }
        },
        onData(chunk, done) {
          left -= chunk.length;
          chunks.push(chunk);
          if (done !== undefined) releases.push(done);
          if (left >= 0) return;
          exchange.abort();
          fail(lost());
        },
        onEnd() {
          if (source === undefined || left !== 0) fail(lost());
          else {
            over = true;
            resolve({ source, elapsed, chunks, release });
          }
        },
        onError: fail,
      },
    );
    abort = () => {
      if (over) return;
      exchange.abort();
      fail(new CarmineError('internal/aborted'));
    };
  });
  return { answer, abort: () => abort() };
}

/**
 * SHA-256 of what was received, in hexadecimal digits: undefined where nobody wants to know it, `transfer/digest-mismatch` where it is
 * not what the server, or whoever asked, says.
 */
export function digestOfWhole(
  { source, chunks }: Pick<WholeAnswer, 'source' | 'chunks'>,
  wanted: { readonly expectedSha256?: string | undefined; readonly computeSha256?: boolean | undefined },
  sha256: (chunks: readonly Uint8Array[]) => string,
): string | undefined {
  const expected = [wanted.expectedSha256, source.digest].filter((digest) => digest !== undefined);
  if (expected.length === 0 && wanted.computeSha256 !== true) return undefined;
  const actual = sha256(chunks);
  const wrong = expected.find((digest) => digest !== actual);
  if (wrong === undefined) return actual;
  throw new CarmineError('transfer/digest-mismatch', { context: { actual, expected: wrong } });
}
