import type { DiskFile, WriteWay } from './disk.ts';

export interface SegmentWriterOptions {
  /** Bytes that are worth a write of their own. */
  readonly gather: number;
  /** How what is to be written from `position` on gets there. */
  readonly way: (position: number) => WriteWay;
  /** This was written; true: who said so calls `release` when he needs it no more. `pinned`: bytes of memory that wait for that. */
  readonly keep?: ((position: number, bytes: Uint8Array, release: () => void, pinned: number) => boolean) | undefined;
  /** In order, whatever order the writes end in. */
  readonly onWritten: (bytes: number) => void;
  readonly onError: (thrown: unknown) => void;
}

/** Gathers the chunks of one stream and writes them in large vectors without copying, ending at whole blocks of the file. */
export class SegmentWriter {
  readonly #file: DiskFile;
  readonly #options: SegmentWriterOptions;
  #position: number;
  #chunks: Chunk[] = [];
  #size = 0;
  #flush: 'no' | 'blocks' | 'all' = 'no';
  #writing: Write[] = [];
  #failed = false;
  #held = false;

  constructor(file: DiskFile, position: number, options: SegmentWriterOptions) {
    this.#file = file;
    this.#position = position;
    this.#options = options;
  }

  /** `release` is called when the chunk is not needed any more. */
  push(bytes: Uint8Array, release: () => void = keep): void {
    this.#chunks.push({ bytes, release, pinned: bytes.length });
    this.#size += bytes.length;
    this.#pump();
  }

  /** Writes what there is, however little; `blocks`: less than a block may wait for the rest of it. */
  flush(blocks: boolean): void {
    if (!blocks) this.#flush = 'all';
    else if (this.#flush === 'no') this.#flush = 'blocks';
    this.#pump();
  }

  /** Begins no write until `release`. */
  hold(): void {
    this.#held = true;
  }

  release(): void {
    this.#held = false;
    this.#pump();
  }

  /** Forgets what is not being written yet. */
  discard(): void {
    for (const { release } of this.#chunks) release();
    this.#chunks = [];
    this.#size = 0;
  }

  /** Nothing to write and nothing being written. */
  get empty(): boolean {
    return this.#size === 0 && this.#writing.length === 0;
  }

  /** A write is in flight. */
  get busy(): boolean {
    return this.#writing.length > 0;
  }

  /** Resolves when no write is in flight; never rejects. */
  async idle(): Promise<void> {
    while (this.#writing.length > 0) await Promise.all(this.#writing.map((write) => write.ended));
  }

  #pump(): void {
    while (this.#size > 0 && !this.#held && this.#writing.length < maximumAtOnce) {
      if (this.#size < this.#options.gather && this.#flush === 'no') return;
      const chunks = this.#take();
      const bytes = chunks.reduce((sum, chunk) => sum + chunk.bytes.length, 0);
      const few = this.#flush === 'blocks' && this.#size < this.#options.gather;
      if (this.#size === 0 || few) this.#flush = 'no';
      this.#write(chunks, bytes);
    }
  }

  /** The next write: as far as whole blocks go, or everything where there are none or it is wanted. */
  #take(): Chunk[] {
    const chunks = this.#chunks.splice(0, maximumVector);
    const bytes = chunks.reduce((sum, chunk) => sum + chunk.bytes.length, 0);
    const rest = (this.#position + bytes) % blockBytes;
    this.#size -= bytes;
    if (rest > 0 && rest < bytes && (this.#size > 0 || this.#flush !== 'all')) this.#putBack(chunks, rest);
    return chunks;
  }

  #putBack(chunks: Chunk[], bytes: number): void {
    let left = bytes;
    while (left > 0) {
      const last = chunks.pop();
      if (last === undefined) return;
      const kept = last.bytes.length - left;
      // Two writes need it then, and either may end first.
      const release = kept > 0 ? shared(last.release) : last.release;
      const back = kept > 0 ? { ...last, bytes: last.bytes.subarray(kept), release } : last;
      if (kept > 0) chunks.push({ ...last, bytes: last.bytes.subarray(0, kept), release });
      this.#chunks.unshift(back);
      this.#size += back.bytes.length;
      left -= back.bytes.length;
    }
  }

  #write(chunks: readonly Chunk[], bytes: number): void {
    const position = this.#position;
    this.#position += bytes;
    const vector = chunks.map((chunk) => chunk.bytes);
    const write: Write = { bytes, done: false, ended: Promise.resolve() };
    this.#writing.push(write);
    write.ended = this.#file.write(vector, position, this.#options.way(position)).then(
      () => {
        write.done = true;
        let at = position;
        for (const chunk of chunks) {
          const { bytes, release, pinned } = chunk;
          if (this.#failed || this.#options.keep?.(at, bytes, release, pinned) !== true) release();
          at += chunk.bytes.length;
        }
        this.#end();
      },
      (thrown: unknown) => {
        // What is in flight beside it ends, but is not called written any more: it would leave a gap.
        this.#writing = this.#writing.filter((other) => other !== write);
        const first = !this.#failed;
        this.#failed = true;
        for (const { release } of chunks) release();
        this.#end();
        this.discard();
        if (first) this.#options.onError(thrown);
      },
    );
  }

  #end(): void {
    while (this.#writing[0]?.done === true) {
      const { bytes } = this.#writing.shift() as Write;
      if (!this.#failed) this.#options.onWritten(bytes);
    }
    if (!this.#failed) this.#pump();
  }
}

interface Chunk {
  readonly bytes: Uint8Array;
  readonly release: () => void;
  /** Bytes as they came, of which these may be a part: none of that memory is free before `release`. */
  readonly pinned: number;
}

interface Write {
  readonly bytes: number;
  done: boolean;
  ended: Promise<void>;
}

function keep(): void {}

/** Releases when it was called twice. */
function shared(release: () => void): () => void {
  let uses = 2;
  return () => {
    if (--uses === 0) release();
  };
}

/** Below IOV_MAX (1,024 on Linux). */
const maximumVector = 256;
/** The disk has something to do while we are told of the last write. */
const maximumAtOnce = 3;
/** What file systems and disks like; anything would be right. */
const blockBytes = 4096;
