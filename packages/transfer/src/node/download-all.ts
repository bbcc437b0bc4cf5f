import { createHash } from 'node:crypto';
import { parseHttpDate } from '@carmine/core';
import { CarmineError } from '@carmine/errors';
import type { Receiver, ReceiverExchange, ReceiverFactory } from '../receiver.ts';
import { readSource } from '../response-rules.ts';
import type { Source } from '../source.ts';
import type { TransferResult } from '../transfer-progress.ts';
import { type DownloadOptions, downloadOver } from './download.ts';
import { createHttpReceiverFactory } from './http-receiver.ts';
import type { NodeDirectory } from './node-disk.ts';
import { nodePlatform } from './platform.ts';
import { SmallFiles } from './small-files.ts';

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
  extends Omit<DownloadOptions, 'temporaryName' | 'expectedSha256' | 'onProgress' | 'connections' | 'ranges'> {
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
  readonly #workers: Promise<void>[] = [];

  constructor(items: readonly DownloadItem[], options: DownloadAllOptions) {
    this.#items = items;
    this.#options = options;
    this.#outcomes = new Array(items.length);
    this.#receivers = createHttpReceiverFactory(options);
    this.#files = new SmallFiles(options.roots, nodePlatform().finalMode, items.length);
  }

  async run(): Promise<readonly DownloadOutcome[]> {
    for (let count = 0; count < fewConnections; count++) this.#addWorker();
    // Others may be added as long as one is at work.
    for (let index = 0; index < this.#workers.length; index++) await this.#workers[index];
    if (this.#options.signal?.aborted === true) this.#abort();
    await this.#files.settled();
    await this.#files.close();
    return this.#outcomes;
  }

  #addWorker(): void {
    const most = Math.min(this.#items.length, this.#options.concurrency ?? 16);
    if (this.#workers.length < most && this.#next < this.#items.length) this.#workers.push(this.#work());
  }

  /** One connection; it stays as long as files are at the same origin. */
  async #work(): Promise<void> {
    let receiver: Receiver | undefined;
    let origin: string | undefined;
    let arrived: (() => Promise<void>) | undefined;
    let storing: Promise<unknown> | undefined;
    try {
      for (let index = this.#next++; index < this.#items.length; index = this.#next++) {
        const item = this.#items[index] as DownloadItem;
        try {
          if (this.#options.signal?.aborted === true) throw new CarmineError('internal/aborted');
          const next = originOf(item.url);
          if (next !== origin || receiver === undefined) {
            receiver?.close();
            [receiver, origin] = [this.#receivers(item.url), next];
          }
          const coming = this.#getSmall(item.url, receiver);
          // The request leaves first, so that the server has something to do meanwhile.
          storing = Promise.all([storing, arrived?.()]);
          arrived = undefined;
          const whole = await coming;
          // Further away, more of them hide the time that an answer takes.
          if ((whole?.elapsed ?? Number.POSITIVE_INFINITY) > near) this.#addWorker();
          // A disk that does not keep up holds up its connections.
          await storing;
          if (whole === undefined) await this.#fetchLarge(item, index);
          else arrived = () => this.#store(item, index, whole);
        } catch (thrown) {
          this.#settle(index, { item, error: CarmineError.from(thrown) });
        }
      }
    } finally {
      receiver?.close();
    }
    await Promise.all([storing, arrived?.()]);
  }

  async #fetchLarge(item: DownloadItem, index: number): Promise<void> {
    const { concurrency: _, onOutcome: __, ...options } = this.#options;
    const one = { ...options, connections: 1, expectedSha256: item.expectedSha256 };
    this.#settle(index, { item, result: await downloadOver(this.#receivers, item.url, item.path, one) });
  }

  /** Never rejects. */
  async #store(item: DownloadItem, index: number, whole: Whole): Promise<void> {
    try {
      await new Promise<void>((resolve) => setImmediate(resolve));
      this.#add(item, index, whole, await this.#files.directoryOf(item.path));
    } catch (thrown) {
      this.#settle(index, { item, error: CarmineError.from(thrown) });
    } finally {
      whole.release();
    }
  }

  #add(item: DownloadItem, index: number, { source, chunks }: Whole, directory: NodeDirectory): void {
    const result = { length: source.length, sha256: this.#digest(item, source, chunks) };
    this.#files.add(directory, chunks, parseHttpDate(source.lastModified), {
      path: item.path,
      done: () => this.#settle(index, { item, result }),
      failed: (error) => this.#settle(index, { item, error }),
    });
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
  /** Milliseconds from asking for it to the head of the answer; undefined: not known. */
  readonly elapsed: number | undefined;
  readonly chunks: readonly Uint8Array[];
  /** The chunks are not needed any more. */
  release(): void;
}

function getWhole(url: string, receiver: Receiver, signal: AbortSignal | undefined): Promise<Whole | undefined> {
  return new Promise((resolve, reject) => {
    let source: Source | undefined;
    let elapsed: number | undefined;
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
            ({ elapsed } = head);
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
            if (source !== undefined && received === source.length) resolve({ source, elapsed, chunks, release });
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
const immediateRetries = 3;
/** Connections that a near server keeps busy; how long an answer of one takes at most, in milliseconds. */
const fewConnections = 4;
const near = 1;

function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : url;
}
