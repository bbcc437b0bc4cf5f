import { ByteWriter, type ByteWriterOptions } from '../byte-writer.ts';

export interface NdrWriterOptions extends ByteWriterOptions {
  /** How pointers are numbered; as Windows does unless given. */
  readonly referents?: { readonly first: number; readonly step: number } | undefined;
}

/** The other direction of NdrReader. Referents are numbered as Windows numbers them: 0x00020000, 0x00020004, … */
export class NdrWriter extends ByteWriter {
  #deferred: (() => void)[] = [];
  readonly #step: number;
  #referent: number;

  constructor(options: NdrWriterOptions = {}) {
    super(options);
    const { first, step } = options.referents ?? windowsReferents;
    this.#referent = first;
    this.#step = step;
  }

  /** A new referent, written. */
  referent(): void {
    this.u32(this.#referent);
    this.#referent += this.#step;
  }

  defer(write: () => void): void {
    this.#deferred.push(write);
  }

  flush(): void {
    if (this.#deferred.length === 0) return;
    const pending = this.#deferred;
    this.#deferred = [];
    for (const write of pending) {
      write();
      this.flush();
    }
  }
}

const windowsReferents = { first: 0x0002_0000, step: 4 };
