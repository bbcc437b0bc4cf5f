import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JobEngine } from '@carmine/job-engine';
import { createNodeJobEngine } from '@carmine/job-engine/node';
import { openSqliteJobStore } from '@carmine/job-store/node';
import { expect, vi } from 'vitest';
import { GatedOrigin } from './gated-origin.ts';

type Options = Omit<Parameters<typeof createNodeJobEngine>[0], 'store' | 'roots'>;

/** A job engine with its database and files in a folder of its own, and an origin. */
export class NodeFixture {
  readonly folder = mkdtempSync(join(tmpdir(), 'carmine-engine-'));
  /** Where files may go. */
  readonly inbox = join(this.folder, 'inbox');
  readonly origin: GatedOrigin;
  readonly #options: Options;
  #running: { readonly engine: JobEngine; readonly close: () => Promise<void> } | undefined;

  private constructor(origin: GatedOrigin, options: Options) {
    this.origin = origin;
    this.#options = options;
    mkdirSync(this.inbox);
  }

  static async start(content: Uint8Array, options: Options = {}): Promise<NodeFixture> {
    const fixture = new NodeFixture(await GatedOrigin.start(content), options);
    await fixture.open();
    return fixture;
  }

  get engine(): JobEngine {
    if (this.#running === undefined) throw new Error('the engine is closed');
    return this.#running.engine;
  }

  /** Starts the engine, on what the last one left. */
  async open(): Promise<void> {
    const store = openSqliteJobStore({ stateDirectory: join(this.folder, 'state') });
    const engine = createNodeJobEngine({ ...this.#options, store, roots: [this.inbox] });
    await engine.start();
    const close = async () => {
      await engine.stop();
      await store.close();
    };
    this.#running = { engine, close };
  }

  async close(): Promise<void> {
    await this.#running?.close();
    this.#running = undefined;
  }

  async end(): Promise<void> {
    await this.close();
    await this.origin.close();
    rmSync(this.folder, { recursive: true });
  }

  async reaches(jobId: string, state: string): Promise<void> {
    const reached = async () => expect((await this.engine.getJob(jobId)).state).toBe(state);
    await vi.waitFor(reached, { timeout: 10_000, interval: 5 });
  }
}
