import { comStatus } from '../status.ts';

export interface PingSetOptions {
  readonly now: () => number;
  readonly newId: () => bigint;
  readonly perUser: number;
  readonly objects: number;
}

interface PingSet {
  readonly owner: string;
  readonly oids: Set<bigint>;
  sequence: number;
  pinged: number;
}

/** Ping sets, [MS-DCOM] 3.1.2.1 and 3.1.2.5.1.2: what clients say that they still hold. */
export class PingSets {
  readonly #options: PingSetOptions;
  readonly #sets = new Map<bigint, PingSet>();

  constructor(options: PingSetOptions) {
    this.#options = options;
  }

  /** Returns a status: 0, or OR_INVALID_SET. */
  simple(id: bigint, owner: string): number {
    const set = this.#sets.get(id);
    if (set === undefined || set.owner !== owner) return comStatus.invalidSet;
    set.pinged = this.#options.now();
    return 0;
  }

  /** SETID 0 makes a set; a sequence number below the last one changes nothing ([MS-DCOM] 3.1.2.5.1.3). */
  complex(
    id: bigint,
    owner: string,
    sequence: number,
    add: readonly bigint[],
    remove: readonly bigint[],
  ): { readonly id: bigint; readonly status: number } {
    const { now, newId, perUser, objects } = this.#options;
    let set = this.#sets.get(id);
    let setId = id;
    if (id === 0n) {
      let own = 0;
      for (const other of this.#sets.values()) if (other.owner === owner) own++;
      if (own >= perUser) return { id: 0n, status: comStatus.outOfMemory };
      setId = newId();
      set = { owner, oids: new Set(), sequence, pinged: now() };
      this.#sets.set(setId, set);
    } else if (set === undefined || set.owner !== owner) return { id, status: comStatus.invalidSet };
    else if (sequence < set.sequence) return { id, status: 0 };
    set.sequence = sequence;
    set.pinged = now();
    for (const oid of remove) set.oids.delete(oid);
    for (const oid of add) if (set.oids.size < objects) set.oids.add(oid);
    return { id: setId, status: 0 };
  }

  /** Takes away sets that nobody pinged for so long, and returns when each object was last pinged in the others. */
  sweep(longest: number): ReadonlyMap<bigint, number> {
    const now = this.#options.now();
    const pinged = new Map<bigint, number>();
    for (const [id, set] of this.#sets) {
      if (now - set.pinged > longest) this.#sets.delete(id);
      else for (const oid of set.oids) pinged.set(oid, Math.max(set.pinged, pinged.get(oid) ?? set.pinged));
    }
    return pinged;
  }
}
