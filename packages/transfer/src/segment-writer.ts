import type { DiskFile } from './disk.ts';

/** Gathers the chunks of one stream and writes them in order, one write at a time, in large vectors without copying. */
export class SegmentWriter {
  readonly #file: DiskFile;
  readonly #gather: number;
  readonly #onWritten: (bytes: number) => void;
  readonly #onError: (thrown: unknown) => void;
  #position: number;
  #chunks: Uint8Array[] = [];
  /** One for each chunk; what to call when it is not needed any more. */
  #releases: (() => void)[] = [];
  #size = 0;
  #flush = false;
  #writing: Promise<void> | undefined;

  /** `gather`: bytes that are worth a write of their own. */
  constructor(
    file: DiskFile,
    position: number,
    gather: number,
    onWritten: (bytes: number) => void,
    onError: (thrown: unknown) => void,
  ) {
    this.#file = file;
    this.#position = position;
    this.#gather = gather;
    this.#onWritten = onWritten;
    this.#onError = onError;
  }

  push(chunk: Uint8Array, release: () => void = keep): void {
    this.#chunks.push(chunk);
    this.#releases.push(release);
    this.#size += chunk.length;
    this.#pump();
  }

  /** Writes what there is, however little. */
  flush(): void {
    this.#flush = true;
    this.#pump();
  }

  /** Forgets what is not being written yet. */
  discard(): void {
    for (const release of this.#releases) release();
    this.#chunks = [];
    this.#releases = [];
    this.#size = 0;
  }

  /** Nothing to write and nothing being written. */
  get empty(): boolean {
    return this.#size === 0 && this.#writing === undefined;
  }

  /** Resolves when no write is in flight; never rejects. */
  async idle(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  #pump(): void {
    if (this.#writing !== undefined || this.#size === 0) return;
    if (this.#size < this.#gather && !this.#flush) return;
    const chunks = this.#chunks.splice(0, maximumVector);
    const releases = this.#releases.splice(0, maximumVector);
    const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    this.#size -= bytes;
    if (this.#size === 0) this.#flush = false;
    const position = this.#position;
    this.#position += bytes;
    this.#writing = this.#file.write(chunks, position).then(
      () => {
        this.#writing = undefined;
        for (const release of releases) release();
        this.#onWritten(bytes);
        this.#pump();
      },
      (thrown: unknown) => {
        this.#writing = undefined;
        for (const release of releases) release();
        this.discard();
        this.#onError(thrown);
      },
    );
  }
}

function keep(): void {}

/** Below IOV_MAX (1,024 on Linux). */
const maximumVector = 256;
