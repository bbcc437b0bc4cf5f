import { randomBytes } from 'node:crypto';
import { CarmineError } from '@carmine/errors';
import { createFileTransfer, type FileTransferOptions, temporaryName } from '../file-transfer.ts';
import type { TransferProgress, TransferResult } from '../transfer-progress.ts';
import type { HttpReceiverOptions } from './connection.ts';
import { createHttpReceiverFactory } from './http-receiver.ts';
import { nodePlatform } from './platform.ts';

export interface DownloadOptions
  extends HttpReceiverOptions,
    Omit<FileTransferOptions, 'url' | 'path' | 'temporaryName' | 'receivers' | 'onProgress'> {
  /** Kept when the download fails, and continued by a later one with the same name; absent: random, removed on failure. */
  readonly temporaryName?: string | undefined;
  readonly onProgress?: ((progress: TransferProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Fetches one file to its final name; fails with the first error that immediate retries do not mend. */
export async function download(url: string, path: string, options: DownloadOptions = {}): Promise<TransferResult> {
  const { onProgress, signal } = options;
  if (signal?.aborted === true) throw new CarmineError('internal/aborted');
  const transfer = createFileTransfer(nodePlatform(), {
    ...options,
    url,
    path,
    temporaryName: options.temporaryName ?? temporaryName(randomBytes(8)),
    receivers: createHttpReceiverFactory(options),
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
