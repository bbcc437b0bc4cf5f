import { createHash } from 'node:crypto';
import { parseHttpDate } from '@carmine/core';
import { CarmineError } from '@carmine/errors';
import type { Receiver, ReceiverExchange, ReceiverFactory } from '../receiver.ts';
import { readSource } from '../response-rules.ts';
import type { Source } from '../source.ts';
import type { TransferResult } from '../transfer-progress.ts';
import { type DownloadOptions, downloadOver } from './download.ts';
import { createHttpReceiverFactory } from './http-receiver.ts';
import { nodePlatform } from './platform.ts';
import { type Reserved, SmallFiles } from './small-files.ts';

/** One file of a set. */
export interface DownloadItem {
  readonly url: string;
  readonly path: string;
  /** Lower-case hexadecimal. */
  readonly expectedSha256?: string | undefined;
}

/** What came of it. */
export type DownloadOutcome =
  | { readonly item: DownloadItem; readonly result: TransferResult; readonly error?: undefined }
  | { readonly item: DownloadItem; readonly error: CarmineError; readonly result?: undefined };

export interface DownloadAllOptions
  extends Omit<DownloadOptions, 'temporaryName' | 'expectedSha256' | 'onProgress' | 'connections'> {
  /** Files at the same time, each over a connection that is kept for the next one; default 16. */
  readonly concurrency?: number | undefined;
  /** Called when a file is durable under its name, or failed. */
  readonly onOutcome?: ((outcome: DownloadOutcome) => void) | undefined;
}

/**
 * Fetches many files, each to its name. Small ones (up to 1 MiB) become durable in groups, at most a second after they came;
 * large ones are fetched as `download` does, one connection each. Resolves with what came of each, in the order of the items; never rejects
 * for a file.
 */
export async function downloadAll(
  items: readonly DownloadItem[],
  options: DownloadAllOptions = {},
): Promise<readonly DownloadOutcome[]> {
  const set = new DownloadSet(items, options);
  return set.run();
}

class DownloadSet {
  readonly #items: readonly DownloadItem[];
  readonly #options: DownloadAllOptions;
  readonly #outcomes: DownloadOutcome[];
  readonly #receivers: ReceiverFactory;
  readonly #files: SmallFiles;
  #next = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(items: readonly DownloadItem[], options: DownloadAllOptions) {
    this.#items = items;
    this.#options = options;
    this.#outcomes = new Array(items.length);
    this.#receivers = createHttpReceiverFactory(options);
    this.#files = new SmallFiles(options.roots, nodePlatform().finalMode);
  }

  async run(): Promise<readonly DownloadOutcome[]> {
    const workers = Math.min(this.#items.length, this.#options.concurrency ?? 16);
    await Promise.all(Array.from({ length: workers }, () => this.#work()));
    clearTimeout(this.#timer);
    if (this.#options.signal?.aborted === true) this.#abort();
    this.#files.commit();
    await this.#files.close();
    return this.#outcomes;
  }

  /** One connection; it stays as long as files are at the same origin. */
  async #work(): Promise<void> {
    let receiver: Receiver | undefined;
    let origin: string | undefined;
    try {
      for (let index = this.#next++; index < this.#items.length; index = this.#next++) {
        const item = this.#items[index] as DownloadItem;
        try {
          if (this.#options.signal?.aborted === true) throw new CarmineError('internal/aborted');
          const next = URL.canParse(item.url) ? new URL(item.url).origin : item.url;
          if (next !== origin || receiver === undefined) {
            receiver?.close();
            [receiver, origin] = [this.#receivers(item.url), next];
          }
          await this.#fetch(item, index, receiver);
        } catch (thrown) {
          this.#settle(index, { item, error: CarmineError.from(thrown) });
        }
      }
    } finally {
      receiver?.close();
    }
  }

  async #fetch(item: DownloadItem, index: number, receiver: Receiver): Promise<void> {
    const directory = await this.#files.directoryOf(item.path);
    const reserving = this.#files.reserve(directory, item.path);
    // Whoever waits for it hears of it.
    reserving.catch(() => undefined);
    let whole: Whole | undefined;
    try {
      whole = await this.#getSmall(item.url, receiver);
    } catch (thrown) {
      await reserving.then((reserved) => this.#files.giveUp(reserved)).catch(() => undefined);
      throw thrown;
    }
    const reserved = await reserving.catch((thrown: unknown) => {
      whole?.release();
      throw thrown;
    });
    if (whole === undefined) {
      this.#files.giveUp(reserved);
      const { concurrency: _, onOutcome: __, ...options } = this.#options;
      const one = { ...options, connections: 1, expectedSha256: item.expectedSha256 };
      this.#settle(index, { item, result: await downloadOver(this.#receivers, item.url, item.path, one) });
      return;
    }
    const { source, chunks, release } = whole;
    try {
      const sha256 = this.#checked(item, source, chunks, reserved);
      const result = { length: source.length, sha256 };
      this.#files.add(reserved, chunks, parseHttpDate(source.lastModified), {
        path: item.path,
        done: () => this.#settle(index, { item, result }),
        failed: (error) => this.#settle(index, { item, error }),
      });
    } finally {
      release();
    }
    if (this.#files.waiting >= largestGroup) this.#files.commit();
    else if (this.#files.waiting === 1) this.#commitLater();
  }

  #checked(item: DownloadItem, source: Source, chunks: readonly Uint8Array[], reserved: Reserved): string | undefined {
    try {
      return this.#digest(item, source, chunks);
    } catch (thrown) {
      this.#files.giveUp(reserved);
      throw thrown;
    }
  }

  #digest(item: DownloadItem, source: Source, chunks: readonly Uint8Array[]): string | undefined {
    const expected = [item.expectedSha256, source.digest].filter((digest) => digest !== undefined);
    if (expected.length === 0 && this.#options.computeSha256 !== true) return undefined;
    const hash = createHash('sha256');
    for (const chunk of chunks) hash.update(chunk);
    const actual = hash.digest('hex');
    for (const wanted of expected) {
      if (wanted !== actual) {
        throw new CarmineError('transfer/digest-mismatch', { context: { actual, expected: wanted } });
      }
    }
    return actual;
  }

  /** A small file, whole; undefined when it is not small. Connections that drop are tried again three times. */
  async #getSmall(url: string, receiver: Receiver): Promise<Whole | undefined> {
    for (let failures = 0; ; failures++) {
      try {
        return await getWhole(url, receiver, this.#options.signal);
      } catch (thrown) {
        const error = CarmineError.from(thrown);
        if (error.code !== 'transfer/connection-lost' || failures >= immediateRetries) throw error;
      }
    }
  }

  #commitLater(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#files.commit(), longestWait);
  }

  #abort(): void {
    this.#files.discard();
    for (const [index, item] of this.#items.entries()) {
      if (this.#outcomes[index] === undefined) {
        this.#settle(index, { item, error: new CarmineError('internal/aborted') });
      }
    }
  }

  #settle(index: number, outcome: DownloadOutcome): void {
    this.#outcomes[index] = outcome;
    this.#options.onOutcome?.(outcome);
  }
}

interface Whole {
  readonly source: Source;
  readonly chunks: readonly Uint8Array[];
  /** The chunks are not needed any more. */
  release(): void;
}

function getWhole(url: string, receiver: Receiver, signal: AbortSignal | undefined): Promise<Whole | undefined> {
  return new Promise((resolve, reject) => {
    let source: Source | undefined;
    let received = 0;
    const chunks: Uint8Array[] = [];
    const releases: (() => void)[] = [];
    const release = () => {
      for (const each of releases.splice(0)) each();
    };
    const abort = () => {
      exchange.abort();
      release();
      reject(new CarmineError('internal/aborted'));
    };
    const settle = (work: () => void) => {
      signal?.removeEventListener('abort', abort);
      work();
    };
    const exchange: ReceiverExchange = receiver.request(
      { method: 'GET', url },
      {
        onHead(head) {
          try {
            source = readSource(head);
            if (source.length <= smallFile) return;
            exchange.abort();
            settle(() => resolve(undefined));
          } catch (thrown) {
            exchange.abort();
            settle(() => reject(CarmineError.from(thrown)));
          }
        },
        onData(chunk, done) {
          received += chunk.length;
          chunks.push(chunk);
          if (done !== undefined) releases.push(done);
        },
        onEnd() {
          settle(() => {
            if (source !== undefined && received === source.length) resolve({ source, chunks, release });
            else {
              release();
              reject(new CarmineError('transfer/connection-lost', { context: { origin: new URL(url).origin } }));
            }
          });
        },
        onError(error) {
          release();
          settle(() => reject(error));
        },
      },
    );
    signal?.addEventListener('abort', abort, { once: true });
  });
}

/** Bytes. */
const smallFile = 1024 * 1024;
const largestGroup = 1_024;
/** Milliseconds. */
const longestWait = 1_000;
const immediateRetries = 3;
