import type { CimInstance } from '@carmine/cim';
import { faultError } from '../protocol/faults.ts';
import type { Cursor } from './cursor.ts';
import type { WsmanLimits } from './limits.ts';
import type { WsmanEnvironment } from './types.ts';

/** An enumeration that is not finished. It belongs to the user who started it. */
export interface Enumeration {
  readonly id: string;
  readonly owner: string;
  /** What it enumerates: Pull and Release must be addressed to the same. */
  readonly targetKey: string;
  readonly cursor: Cursor<CimInstance>;
  readonly writeItem: (instance: CimInstance) => string;
  pulling: boolean;
  expires: number;
}

/** All open enumerations: capped for each user and together, dropped when nobody pulls for a while. */
export class EnumerationStore {
  readonly #limits: WsmanLimits;
  readonly #environment: WsmanEnvironment;
  readonly #byId = new Map<string, Enumeration>();
  readonly #countOf = new Map<string, number>();

  constructor(limits: WsmanLimits, environment: WsmanEnvironment) {
    this.#limits = limits;
    this.#environment = environment;
  }

  get size(): number {
    return this.#byId.size;
  }

  /** Throws the quota faults, before anything is started. */
  checkRoom(owner: string): void {
    if (this.#isFull(owner)) this.sweep();
    if (this.#byId.size >= this.#limits.maxEnumerations) throw faultError('quotaLimit');
    if (this.#isFull(owner)) throw faultError('tooManyOperations');
  }

  add(start: Omit<Enumeration, 'id' | 'pulling' | 'expires'>): Enumeration {
    // Enumerations may have been started while this one read its first item.
    this.checkRoom(start.owner);
    const id = `uuid:${this.#environment.uuid().toUpperCase()}`;
    const enumeration: Enumeration = { ...start, id, pulling: false, expires: this.#deadline() };
    this.#byId.set(id, enumeration);
    this.#countOf.set(start.owner, (this.#countOf.get(start.owner) ?? 0) + 1);
    return enumeration;
  }

  /** Throws InvalidEnumerationContext for one that does not exist, is over, or belongs to somebody else. */
  find(id: string, owner: string): Enumeration {
    const enumeration = this.#byId.get(id);
    if (enumeration === undefined || enumeration.owner !== owner) throw faultError('invalidEnumerationContext');
    if (this.#isExpired(enumeration)) {
      this.remove(enumeration);
      throw faultError('invalidEnumerationContext');
    }
    return enumeration;
  }

  touch(enumeration: Enumeration): void {
    enumeration.expires = this.#deadline();
  }

  remove(enumeration: Enumeration): void {
    if (!this.#byId.delete(enumeration.id)) return;
    const count = (this.#countOf.get(enumeration.owner) ?? 1) - 1;
    if (count === 0) this.#countOf.delete(enumeration.owner);
    else this.#countOf.set(enumeration.owner, count);
    enumeration.cursor.close();
  }

  /** Drops what has expired. */
  sweep(): void {
    for (const enumeration of this.#byId.values()) if (this.#isExpired(enumeration)) this.remove(enumeration);
  }

  close(): void {
    for (const enumeration of this.#byId.values()) this.remove(enumeration);
  }

  #isFull(owner: string): boolean {
    return (
      this.#byId.size >= this.#limits.maxEnumerations ||
      (this.#countOf.get(owner) ?? 0) >= this.#limits.maxEnumerationsPerUser
    );
  }

  #isExpired(enumeration: Enumeration): boolean {
    return !enumeration.pulling && enumeration.expires <= this.#environment.now();
  }

  #deadline(): number {
    return this.#environment.now() + this.#limits.enumerationTimeout;
  }
}
