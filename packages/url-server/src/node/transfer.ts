import type { ServerResponse } from 'node:http';
import type { UrlGroup } from '../group.ts';

/** An answer that is being sent: what is needed to end it from outside, and to wait inside until then. */
export class Transfer {
  readonly group: UrlGroup;
  /** Resolves when nothing of it is left. */
  readonly done: Promise<void>;
  readonly #response: ServerResponse;
  #stopped = false;
  #wake: () => void = () => {};
  #finish: () => void = () => {};

  constructor(group: UrlGroup, response: ServerResponse) {
    this.group = group;
    this.#response = response;
    this.done = new Promise((resolve) => {
      this.#finish = resolve;
    });
    response.once('close', () => this.#end());
  }

  /** It was told to stop, or the connection is gone. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Cuts the connection. */
  stop(): void {
    this.#end();
    this.#response.destroy();
  }

  finish(): void {
    this.#finish();
  }

  /** Waits so long, or until it is stopped. */
  pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.#stopped) return resolve();
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #end(): void {
    this.#stopped = true;
    this.#wake();
  }
}
