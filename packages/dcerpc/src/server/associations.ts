/** Association groups, C706 9.3.1.2 and [MS-RPCE] 3.3.3.5.1: the connections of one client, known by a number. */
export class Associations {
  readonly #groups = new Map<number, { readonly source: string; connections: number }>();
  #next: number;

  constructor(first: number) {
    this.#next = (first >>> 0) % 0xffff_fffe;
  }

  /** Joins a group, or makes one for 0; undefined when there is none of that number for this source. */
  join(id: number, source: string): number | undefined {
    if (id !== 0) {
      const group = this.#groups.get(id);
      if (group === undefined || group.source !== source) return undefined;
      group.connections++;
      return id;
    }
    do this.#next = (this.#next % 0xffff_fffe) + 1;
    while (this.#groups.has(this.#next));
    this.#groups.set(this.#next, { source, connections: 1 });
    return this.#next;
  }

  leave(id: number): void {
    const group = this.#groups.get(id);
    if (group !== undefined && --group.connections <= 0) this.#groups.delete(id);
  }
}
