import { parseHttpDate } from '@carmine/core';
import { CarmineError } from '@carmine/errors';
import { checkLocalPath } from './destination-path.ts';
import type { Disk, DiskDirectory, DiskFile } from './disk.ts';
import type { TransferPlatform } from './file-transfer.ts';
import type { Receiver, ReceiverFactory } from './receiver.ts';
import type { TransferResult } from './transfer-progress.ts';
import { digestOfWhole, requestWhole, type WholeAnswer } from './whole-answer.ts';

/** A file that may be small. */
export interface SmallFile {
  readonly url: string;
  readonly path: string;
  readonly temporaryName: string;
  readonly expectedSha256?: string | undefined;
  readonly computeSha256?: boolean | undefined;
}

export interface SmallSetPlatform extends Pick<TransferPlatform, 'clock'> {
  readonly disk: Disk;
  /** Lower-case hexadecimal. */
  sha256(chunks: readonly Uint8Array[]): string;
}

export interface SmallSetOptions {
  readonly files: readonly SmallFile[];
  readonly receivers: ReceiverFactory;
  readonly roots?: readonly string[] | undefined;
  /** At most; default 4. */
  readonly connections?: number | undefined;
  /** Something is answered. */
  readonly onHead?: (() => void) | undefined;
}

/** What came of a set, by the positions of its files. */
export interface SmallSetOutcome {
  /** Whole and durable, under the temporary name; undefined: nothing is known of it, and it is to be fetched alone. */
  readonly results: readonly (TransferResult | undefined)[];
  /** Something failed or took long. */
  readonly failed: boolean;
}

export interface SmallSet {
  /** Never rejects: what is wrong with a file shows when it is fetched alone. */
  readonly finished: Promise<SmallSetOutcome>;
  /** What is there already becomes durable, and nothing more comes. */
  stop(): void;
}

/**
 * Fetches small files whole, several at a time and without a journal for each: all contents are written and made durable together, then their names, and
 * only then anybody is told. A crash before that costs what of them was there, up to 8 MiB. It only ever does what goes well; the first file that is
 * not small, or fails, ends it.
 */
export function createSmallSet(platform: SmallSetPlatform, options: SmallSetOptions): SmallSet {
  const run = new SetRun(platform, options);
  return { finished: run.run(), stop: () => run.stop() };
}

class SetRun {
  readonly #platform: SmallSetPlatform;
  readonly #options: SmallSetOptions;
  readonly #directories = new Map<string, Promise<DiskDirectory>>();
  readonly #written: {
    readonly index: number;
    readonly file: DiskFile;
    readonly path: string;
    readonly result: TransferResult;
  }[] = [];
  readonly #aborts = new Set<() => void>();
  readonly #workers: Promise<void>[] = [];
  #next = 0;
  #bytes = 0;
  #over = false;
  #failed = false;

  constructor(platform: SmallSetPlatform, options: SmallSetOptions) {
    this.#platform = platform;
    this.#options = options;
  }

  async run(): Promise<SmallSetOutcome> {
    const { clock } = this.#platform;
    const timers = [
      clock.after(longestGroup, () => {
        this.#over = true;
      }),
      clock.after(longestFile, () => {
        this.#failed = true;
        this.stop();
      }),
    ];
    // Whether they are small the first one shows.
    this.#workers.push(this.#work());
    // Others are added meanwhile.
    for (let index = 0; index < this.#workers.length; index++) await this.#workers[index];
    for (const cancel of timers) cancel();
    const results = await this.#makeDurable();
    for (const opening of this.#directories.values()) await opening.then((each) => each.close()).catch(() => undefined);
    return { results, failed: this.#failed };
  }

  stop(): void {
    this.#over = true;
    for (const abort of this.#aborts) abort();
  }

  async #work(): Promise<void> {
    const { files, receivers, connections = 4 } = this.#options;
    let receiver: Receiver | undefined;
    let origin: string | undefined;
    try {
      while (!this.#over && this.#next < files.length) {
        const index = this.#next++;
        const file = files[index] as SmallFile;
        const next = new URL(file.url).origin;
        if (receiver === undefined || next !== origin) {
          receiver?.close();
          [receiver, origin] = [receivers(file.url), next];
        }
        const whole = await this.#get(file.url, receiver);
        if (whole === undefined) {
          this.#over = true;
          return;
        }
        try {
          this.#bytes += whole.source.length;
          if (this.#bytes >= groupBytes) this.#over = true;
          if (!this.#over && this.#workers.length < connections) this.#workers.push(this.#work());
          await this.#write(index, file, whole);
        } finally {
          whole.release();
        }
      }
    } catch {
      this.#failed = true;
      this.#over = true;
    } finally {
      receiver?.close();
    }
  }

  /** Undefined: it is not small. */
  async #get(url: string, receiver: Receiver): Promise<WholeAnswer | undefined> {
    const request = requestWhole(receiver, url, () => this.#options.onHead?.());
    this.#aborts.add(request.abort);
    try {
      return await request.answer;
    } finally {
      this.#aborts.delete(request.abort);
    }
  }

  async #write(index: number, file: SmallFile, whole: WholeAnswer): Promise<void> {
    const { source, chunks } = whole;
    const { directory: directoryPath, name } = checkLocalPath(file.path);
    let opening = this.#directories.get(directoryPath);
    if (opening === undefined) {
      opening = this.#platform.disk.openDirectory(directoryPath, this.#options.roots);
      this.#directories.set(directoryPath, opening);
    }
    const directory = await opening;
    // What a journal knows of is not to be touched; what is wrong with the name is said by who fetches it alone.
    const taken = await directory.kind(`${file.temporaryName}.journal`);
    if (taken !== undefined || (await directory.kind(name)) === 'directory') throw new CarmineError('internal/aborted');
    const result = {
      length: source.length,
      sha256: digestOfWhole(whole, file, (parts) => this.#platform.sha256(parts)),
    };
    const existing = await directory.open(file.temporaryName);
    const target = existing ?? (await directory.create(file.temporaryName));
    try {
      if (existing !== undefined) await existing.truncate(0);
      if (source.length > 0) await target.write(chunks, 0);
      await target.touch(privateMode, parseHttpDate(source.lastModified));
      this.#written.push({ index, file: target, path: directoryPath, result });
    } catch (thrown) {
      await target.close().catch(() => undefined);
      throw thrown;
    }
  }

  /** Contents, then names; what cannot be made durable is not there. */
  async #makeDurable(): Promise<readonly (TransferResult | undefined)[]> {
    const results = new Array<TransferResult | undefined>(this.#options.files.length).fill(undefined);
    const synced = await Promise.all(
      this.#written.map(async ({ file }) => {
        try {
          await file.sync();
          return true;
        } catch {
          this.#failed = true;
          return false;
        } finally {
          await file.close().catch(() => undefined);
        }
      }),
    );
    for (const [path, opening] of this.#directories) {
      try {
        await (await opening).sync();
        for (const [position, { index, path: of, result }] of this.#written.entries()) {
          if (of === path && synced[position] === true) results[index] = result;
        }
      } catch {
        this.#failed = true;
      }
    }
    return results;
  }
}

const privateMode = 0o600;
/** Bytes: what a checkpoint of a large file is. */
const groupBytes = 8 * 1024 * 1024;
/** Milliseconds after which no other file is begun, and after which nothing is waited for. */
const longestGroup = 1_000;
const longestFile = 5_000;
