import { CarmineError } from '@carmine/errors';
import type { FileRange } from '../file-ranges.ts';
import { createFileTransfer, type FileTransferOptions, temporaryName } from '../file-transfer.ts';
import { createRangesFactory } from '../ranges-receiver.ts';
import type { ReceiverFactory } from '../receiver.ts';
import type { TransferProgress, TransferResult } from '../transfer-progress.ts';
import type { HttpReceiverOptions } from './http-options.ts';
import { createHttpReceiverFactory } from './http-receiver.ts';
import { crypto } from './on-demand.ts';
import { nodePlatform } from './platform.ts';

export interface DownloadOptions
  extends HttpReceiverOptions,
    Omit<FileTransferOptions, 'url' | 'path' | 'temporaryName' | 'receivers' | 'onProgress'> {
  /** Kept when the download fails, and continued by a later one with the same name; absent: random, removed on failure. */
  readonly temporaryName?: string | undefined;
  /**
   * Only these parts of the file, written one after the other in the order given, as BITS' AddFileWithRanges has it; a digest is that of all of them
   * together.
   */
  readonly ranges?: readonly FileRange[] | undefined;
  readonly onProgress?: ((progress: TransferProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A download under way: a promise of its result, and an iterable of its progress. */
export interface Download extends Promise<TransferResult>, AsyncIterable<TransferProgress> {}

/**
 * Fetches one file to its final name. Rejects with the first error that immediate retries do not mend (`CarmineError`), and with
 * `internal/aborted` when `signal` said so. The value is also an async iterable of its progress: it gives the latest state whenever
 * that changed since it was last asked for, and ends with the download.
 *
 * ```ts
 * const fetching = download(url, path);
 * for await (const { transferred, length } of fetching) show(transferred, length);
 * const { sha256 } = await fetching;
 * ```
 */
export function download(url: string, path: string, options: DownloadOptions = {}): Download {
  const news = new Latest<TransferProgress>();
  const { onProgress } = options;
  const tell = (progress: TransferProgress) => {
    news.tell(progress);
    onProgress?.(progress);
  };
  const running = runDownload(url, path, { ...options, onProgress: tell }).finally(() => news.end());
  return Object.assign(running, { [Symbol.asyncIterator]: () => news.iterate() });
}

async function runDownload(url: string, path: string, options: DownloadOptions): Promise<TransferResult> {
  return downloadOver(createHttpReceiverFactory(options, waitingBytes(url, options)), url, path, options);
}

/** More where two take what comes, the disk and a digest, or the disk's two ways: neither need wait for the other. TLS has memory of its own already. */
function waitingBytes(url: string, { durable, expectedSha256, computeSha256 }: DownloadOptions): number | undefined {
  const two = durable === false || expectedSha256 !== undefined || computeSha256 === true;
  return two && /^http:/i.test(url) ? 16 * 1024 * 1024 : undefined;
}

/** The same over connections that somebody else opens. */
export async function downloadOver(
  receivers: ReceiverFactory,
  url: string,
  path: string,
  options: DownloadOptions,
): Promise<TransferResult> {
  const { onProgress, signal, ranges } = options;
  if (signal?.aborted === true) throw new CarmineError('internal/aborted');
  const transfer = createFileTransfer(nodePlatform(), {
    ...options,
    url,
    path,
    temporaryName: options.temporaryName ?? temporaryName(crypto().randomBytes(8)),
    receivers: ranges === undefined ? receivers : createRangesFactory(receivers, ranges),
    onProgress: onProgress === undefined ? undefined : () => onProgress(transfer.progress),
  });
  const stop = () => void transfer.stop();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    const result = await transfer.run();
    await transfer.finish();
    return result;
  } catch (thrown) {
    if (options.temporaryName === undefined) await transfer.discard().catch(() => undefined);
    throw thrown;
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}

/** The latest of something that changes, for any number of readers: none is told everything, each what is new to it. */
class Latest<T> {
  #value: T | undefined;
  #version = 0;
  #over = false;
  #waiting: (() => void)[] = [];

  tell(value: T): void {
    this.#value = value;
    this.#version++;
    this.#wake();
  }

  end(): void {
    this.#over = true;
    this.#wake();
  }

  async *iterate(): AsyncGenerator<T, void> {
    for (let seen = 0; ; ) {
      if (this.#version > seen && this.#value !== undefined) {
        seen = this.#version;
        yield this.#value;
      } else if (this.#over) return;
      else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #wake(): void {
    for (const go of this.#waiting.splice(0)) go();
  }
}
