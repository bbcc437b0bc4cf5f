import { CarmineError, type ErrorCode } from '@carmine/errors';
import type { TransferFactory, TransferRequest } from '@carmine/job-engine';
import type { FileTransfer, TransferProgress, TransferResult } from '@carmine/transfer';

/** What stays of a file when its transfer object is gone: the temporary file and the journal of a real one. */
export interface FakeDiskFile {
  length: number | undefined;
  transferred: number;
  finished: boolean;
}

/** Transfers that do what the test says, when it says so. */
export class FakeTransfers {
  readonly requests: TransferRequest[] = [];
  /** Running transfers by URL. */
  readonly running = new Map<string, FakeTransfer>();
  readonly disk = new Map<string, FakeDiskFile>();
  readonly finished: string[] = [];
  readonly discarded: string[] = [];
  /** Makes `finish` or `discard` of a path fail, or `check` refuse it. */
  readonly failures = new Map<string, CarmineError>();

  readonly factory: TransferFactory = (request) => new FakeTransfer(this, request);

  get urls(): string[] {
    return [...this.running.keys()].map((url) => url.slice(url.lastIndexOf('/') + 1)).sort();
  }

  at(name: string): FakeTransfer {
    const found = this.running.get(`http://origin.example/${name}`);
    if (found === undefined) throw new Error(`${name} is not being transferred; ${this.urls.join()} are`);
    return found;
  }
}

export class FakeTransfer implements FileTransfer {
  readonly request: TransferRequest;
  readonly #all: FakeTransfers;
  #phase: TransferProgress['phase'] = 'connecting';
  #settle: { resolve(result: TransferResult): void; reject(error: unknown): void } | undefined;
  expected: { readonly expectedSha256?: string | undefined; readonly computeSha256?: boolean | undefined } | undefined;

  constructor(all: FakeTransfers, request: TransferRequest) {
    this.#all = all;
    this.request = request;
  }

  get progress(): TransferProgress {
    const file = this.#all.disk.get(this.request.temporaryName);
    return { phase: this.#phase, length: file?.length, transferred: file?.transferred ?? 0 };
  }

  async check(): Promise<void> {
    this.#failIfTold('check');
  }

  async inspect(): Promise<Omit<TransferProgress, 'phase'> | undefined> {
    const file = this.#all.disk.get(this.request.temporaryName);
    return file === undefined ? undefined : { length: file.length, transferred: file.transferred };
  }

  run(): Promise<TransferResult> {
    this.#all.requests.push(this.request);
    this.#all.running.set(this.request.url, this);
    return new Promise<TransferResult>((resolve, reject) => {
      this.#settle = { resolve, reject };
    }).finally(() => {
      this.#settle = undefined;
      if (this.#all.running.get(this.request.url) === this) this.#all.running.delete(this.request.url);
    });
  }

  async stop(): Promise<void> {
    this.#settle?.reject(new CarmineError('internal/aborted'));
  }

  expect(digest: { readonly expectedSha256?: string | undefined; readonly computeSha256?: boolean | undefined }): void {
    this.expected = digest;
  }

  async finish(options?: { readonly repeat?: boolean | undefined }): Promise<void> {
    this.#failIfTold('finish');
    const file = this.#all.disk.get(this.request.temporaryName);
    if (file === undefined || file.length !== file.transferred) {
      throw new CarmineError('transfer/journal', { context: { reason: 'the file is not complete' } });
    }
    if (file.finished && options?.repeat !== true) throw new Error('finished twice');
    file.finished = true;
    this.#all.finished.push(this.request.path);
  }

  async discard(): Promise<void> {
    this.#failIfTold('discard');
    this.#all.disk.delete(this.request.temporaryName);
    this.#all.discarded.push(this.request.path);
  }

  // --- what the test does ---

  receive(transferred: number, length = 100): void {
    this.#phase = 'transferring';
    this.#all.disk.set(this.request.temporaryName, { length, transferred, finished: false });
    this.request.onProgress();
  }

  succeed(length = 100, sha256?: string): void {
    this.receive(length, length);
    this.#phase = 'done';
    this.request.onProgress();
    this.#settle?.resolve({ length, sha256 });
  }

  fail(code: ErrorCode, context: Record<string, string | number> = {}): void {
    this.#settle?.reject(
      new CarmineError(code, { context: { origin: 'o', reason: 'r', status: 0, ...context } } as never),
    );
  }

  #failIfTold(what: string): void {
    const failure = this.#all.failures.get(`${what} ${this.request.path}`);
    if (failure !== undefined) throw failure;
  }
}
