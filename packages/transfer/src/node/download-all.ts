import { parseHttpDate } from '@carmine/core';
import { CarmineError } from '@carmine/errors';
import type { Receiver, ReceiverFactory } from '../receiver.ts';
import type { Source } from '../source.ts';
import type { TransferResult } from '../transfer-progress.ts';
import { digestOfWhole, requestWhole, type WholeAnswer } from '../whole-answer.ts';
import { type DownloadOptions, downloadOver } from './download.ts';
import { createHttpReceiverFactory } from './http-receiver.ts';
import type { NodeDirectory } from './node-disk.ts';
import { nodePlatform } from './platform.ts';
import type { HeldContent } from './quick-connection.ts';
import { isQuick, QuickSet, type QuickTaker } from './quick-set.ts';
import { sha256 } from './sha256.ts';
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
  /** Called when a file is durable under its name (or merely there, see `durable`), or failed. */
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
  readonly #quick: QuickSet | undefined;
  /** Items for the careful way: those for which the quick one is not. */
  readonly #careful: number[] = [];
  readonly #workers: Promise<void>[] = [];
  #working = 0;
  /** Files that came before their directory was open, and their bytes. */
  readonly #early = new Set<Promise<void>>();
  #earlyBytes = 0;

  constructor(items: readonly DownloadItem[], options: DownloadAllOptions) {
    this.#items = items;
    this.#options = options;
    this.#outcomes = new Array(items.length);
    this.#receivers = createHttpReceiverFactory(options);
    this.#files = new SmallFiles(options.roots, nodePlatform().finalMode, options.durable);
    if (isQuick(options)) this.#quick = new QuickSet(items, options, this.#quickTaker());
    else this.#careful.push(...items.keys());
  }

  async run(): Promise<readonly DownloadOutcome[]> {
    const { signal } = this.#options;
    const abort = () => this.#quick?.close();
    signal?.addEventListener('abort', abort, { once: true });
    for (let count = 0; count < fewConnections; count++) this.#addWorker();
    // Connecting takes no time of ours: it has begun when this does.
    const path = this.#items[0]?.path;
    if (path !== undefined) setImmediate(() => this.#files.prepare(path));
    // Others may be added as long as one is at work.
    for (let index = 0; index < this.#workers.length; index++) await this.#workers[index];
    await Promise.all(this.#early);
    signal?.removeEventListener('abort', abort);
    if (signal?.aborted === true) this.#files.discard();
    await this.#files.settled();
    await this.#files.close();
    if (signal?.aborted === true) this.#abort();
    return this.#outcomes;
  }

  #addWorker(): void {
    const most = Math.min(this.#items.length, this.#options.concurrency ?? 16);
    if (this.#working >= most || (this.#careful.length === 0 && this.#quick?.hasMore !== true)) return;
    this.#working++;
    this.#workers.push(this.#work().finally(() => this.#working--));
  }

  /** One connection at a time, of the one way or the other. */
  async #work(): Promise<void> {
    for (;;) {
      if (this.#careful.length > 0) await this.#workCarefully();
      else if (this.#options.signal?.aborted === true || (await this.#quick?.fetch()) !== true) return;
      if (this.#isFull) await Promise.all(this.#early);
    }
  }

  #quickTaker(): QuickTaker {
    const isFull = () => this.#isFull;
    return {
      arrived: (index, source, content, far) => {
        // Further away, more of them hide the time that an answer takes.
        if (far) this.#addWorker();
        this.#takeQuickly(index, source, content);
      },
      failed: (index, error) => this.#fail(index, error),
      careful: (index) => {
        this.#careful.push(index);
        this.#addWorker();
      },
      get isFull() {
        return isFull();
      },
    };
  }

  get #isFull(): boolean {
    return this.#earlyBytes > mostEarly;
  }

  #takeQuickly(index: number, source: Source, content: HeldContent): void {
    const item = this.#items[index] as DownloadItem;
    try {
      const place = this.#files.placeOf(item.path);
      if (place.directory instanceof Promise) this.#addLater(item, index, source, new Uint8Array(content.bytes));
      else {
        const { bytes, hold } = content;
        this.#add(item, index, { source, chunks: [bytes], hold }, place.directory, place.name);
      }
    } catch (thrown) {
      this.#fail(index, thrown);
    }
  }

  #addLater(item: DownloadItem, index: number, source: Source, content: Uint8Array): void {
    this.#earlyBytes += content.length;
    const adding = this.#store(item, index, { source, chunks: [content] }).finally(() => {
      this.#earlyBytes -= content.length;
      this.#early.delete(adding);
    });
    this.#early.add(adding);
  }

  /** What there is to do carefully, over one connection; it stays as long as files are at the same origin. */
  async #workCarefully(): Promise<void> {
    let receiver: Receiver | undefined;
    let origin: string | undefined;
    let arrived: (() => Promise<void>) | undefined;
    let storing: Promise<unknown> | undefined;
    try {
      for (let index = this.#careful.shift(); index !== undefined; index = this.#careful.shift()) {
        const at = index;
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
          if ((whole?.elapsed ?? Number.POSITIVE_INFINITY) > near) this.#addWorker();
          // A disk that does not keep up holds up its connections.
          await storing;
          if (whole === undefined) await this.#fetchLarge(item, index);
          else arrived = () => this.#storeInTurn(item, at, whole);
        } catch (thrown) {
          this.#fail(index, thrown);
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

  async #storeInTurn(item: DownloadItem, index: number, whole: WholeAnswer): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    await this.#store(item, index, whole);
    whole.release();
  }

  /** Never rejects. */
  async #store(item: DownloadItem, index: number, whole: Content): Promise<void> {
    try {
      const { directory, name } = this.#files.placeOf(item.path);
      this.#add(item, index, whole, await directory, name);
    } catch (thrown) {
      this.#fail(index, thrown);
    }
  }

  #add(item: DownloadItem, index: number, whole: Content, directory: NodeDirectory, name: string): void {
    const { source, chunks, hold } = whole;
    const wanted = { expectedSha256: item.expectedSha256, computeSha256: this.#options.computeSha256 };
    const result = { length: source.length, sha256: digestOfWhole(whole, wanted, sha256) };
    this.#files.add(directory, name, { chunks, hold }, parseHttpDate(source.lastModified), {
      path: item.path,
      done: () => this.#settle(index, { item, result }),
      failed: (error) => this.#settle(index, { item, error }),
    });
  }

  /** A small file, whole; undefined when it is not small. Connections that drop are tried again three times. */
  async #getSmall(url: string, receiver: Receiver): Promise<WholeAnswer | undefined> {
    for (let failures = 0; ; failures++) {
      try {
        return await getWhole(url, receiver, this.#options.signal);
      } catch (thrown) {
        const error = CarmineError.from(thrown);
        if (error.code !== 'transfer/connection-lost' || failures >= immediateRetries) throw error;
      }
    }
  }

  /** What has its name by now has come. */
  #abort(): void {
    for (const [index, item] of this.#items.entries()) {
      if (this.#outcomes[index] === undefined) {
        this.#settle(index, { item, error: new CarmineError('internal/aborted') });
      }
    }
  }

  #fail(index: number, thrown: unknown): void {
    this.#settle(index, { item: this.#items[index] as DownloadItem, error: CarmineError.from(thrown) });
  }

  #settle(index: number, outcome: DownloadOutcome): void {
    this.#outcomes[index] = outcome;
    this.#options.onOutcome?.(outcome);
  }
}

type Content = Pick<WholeAnswer, 'source' | 'chunks'> & { readonly hold?: (() => () => void) | undefined };

async function getWhole(url: string, receiver: Receiver, signal: AbortSignal | undefined) {
  const { answer, abort } = requestWhole(receiver, url);
  signal?.addEventListener('abort', abort, { once: true });
  try {
    return await answer;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

const immediateRetries = 3;
/** Connections that a near server keeps busy; how long an answer of one takes at most, in milliseconds. */
const fewConnections = 4;
const near = 1;
/** Bytes. */
const mostEarly = 12 * 1024 * 1024;

function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : url;
}
