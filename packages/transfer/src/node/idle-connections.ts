import type { Connection } from './connection.ts';

/**
 * Connections that nobody needs just now, kept for a while for whoever needs one to the same place next: the next file of a job. All
 * belong to one identity (credentials, certificates, proxies), because whoever has such a pool has one.
 */
export class IdleConnections {
  readonly #time: number;
  readonly #kept = new Map<string, { readonly connection: Connection; readonly timer: NodeJS.Timeout }[]>();
  #count = 0;

  /** `time` in milliseconds. */
  constructor(time: number) {
    this.#time = time;
  }

  get empty(): boolean {
    return this.#count === 0;
  }

  /** Of those that suit, the one that was used last: servers close the others first. */
  take(place: string, suits: (connection: Connection) => boolean): Connection | undefined {
    const list = this.#kept.get(place) ?? [];
    for (;;) {
      const index = list.findLastIndex(({ connection }) => suits(connection));
      const [found] = index < 0 ? [] : list.splice(index, 1);
      if (found === undefined) return undefined;
      this.#count--;
      clearTimeout(found.timer);
      if (found.connection.unpark?.() === true) return found.connection;
    }
  }

  /** Keeps it or closes it. */
  give(place: string, connection: Connection): void {
    if (this.#count >= mostIdle || connection.park?.() !== true) {
      connection.close();
      return;
    }
    const list = this.#kept.get(place) ?? [];
    this.#kept.set(place, list);
    const timer = setTimeout(() => {
      list.splice(
        list.findIndex((kept) => kept.connection === connection),
        1,
      );
      this.#count--;
      connection.close();
    }, this.#time);
    timer.unref();
    list.push({ connection, timer });
    this.#count++;
  }

  close(): void {
    for (const { connection, timer } of [...this.#kept.values()].flat()) {
      clearTimeout(timer);
      connection.close();
    }
    this.#kept.clear();
    this.#count = 0;
  }
}

const mostIdle = 16;
