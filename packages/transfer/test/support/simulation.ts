import { CarmineError } from '@carmine/errors';
import { FakeClock, SeededRandom } from '@carmine/testkit';
import {
  createFileTransfer,
  type FileTransfer,
  type FileTransferOptions,
  type TransferResult,
} from '@carmine/transfer';
import { blockDigests, startDigest } from '../../src/node/digest.ts';
import { FakeOrigin, type Version } from './fake-origin.ts';
import type { SimulatedDisk } from './simulated-disk.ts';

export const checkpointBytes = 16 * 1024;

export type Outcome = { readonly result: TransferResult } | { readonly error: CarmineError } | { readonly dead: true };

/** A world of virtual time, one origin, and transfers from it to simulated disks. */
export class Simulation {
  readonly clock = new FakeClock();
  readonly random: SeededRandom;
  readonly origin: FakeOrigin;
  /** Which start of the system this is. */
  boot = 'first';
  /** Every value of `progress.transferred` that was reported, in order. */
  reported: number[] = [];

  constructor(seed: number, length: number, version: Partial<Version> = { etag: '"1"' }) {
    this.random = new SeededRandom(seed);
    this.origin = new FakeOrigin(this.clock, this.random, { content: this.random.bytes(length), ...version });
  }

  transfer(disk: SimulatedDisk, options: Partial<FileTransferOptions> = {}): FileTransfer {
    const transfer: FileTransfer = createFileTransfer(
      { disk, clock: this.clock, digest: startDigest, blockDigests, finalMode: 0o640, boot: () => this.boot },
      {
        url: 'http://origin.example/file',
        path: '/simulated/file',
        temporaryName: 'BIT.tmp',
        receivers: this.origin.receivers,
        checkpointBytes,
        pieceBytes: 24 * 1024,
        connections: 3,
        onProgress: () => this.reported.push(transfer.progress.transferred),
        ...options,
      },
    );
    return transfer;
  }

  /** Lets time pass until the promise settles; `dead` when nothing happens any more although it has not. */
  async outcome(promise: Promise<unknown>): Promise<Outcome> {
    let outcome: Outcome | undefined;
    promise.then(
      (result) => {
        outcome = { result: result as TransferResult };
      },
      (error: unknown) => {
        outcome = { error: CarmineError.from(error) };
      },
    );
    // Idle time comes in two flavours: nothing scheduled, or timers that only find out that nothing happened.
    for (let idle = 0; outcome === undefined && idle < 5; ) {
      const before = `${this.origin.delivered} ${this.origin.requests.length} ${this.reported.length}`;
      await this.clock.advance(this.clock.next === undefined ? 0 : 500);
      idle =
        before === `${this.origin.delivered} ${this.origin.requests.length} ${this.reported.length}` ? idle + 1 : 0;
    }
    return outcome ?? { dead: true };
  }
}
