import { CarmineError } from '@carmine/errors';
import type { ClassBinding, Values } from './binding.ts';
import type { CimValue } from './model.ts';
import { keyProperties } from './schema.ts';
import { formatScalar, isInstance } from './values.ts';

/** Time for events, from outside. Milliseconds; `now` since 1970. */
export interface EventTimers {
  now(): number;
  /** Calls back once after `delay`; returns what cancels it. */
  after(delay: number, callback: () => void): () => void;
}

/** What happened to one instance between two looks. */
export type InstanceChange =
  | { readonly kind: 'created' | 'deleted'; readonly target: Values }
  | { readonly kind: 'modified'; readonly target: Values; readonly previous: Values };

/** Who is told. */
export interface ChangeListener {
  /** Milliseconds between two looks at most. */
  readonly within: number;
  changed(changes: readonly InstanceChange[]): void;
  /** The instances cannot be read; nothing comes after this. */
  failed(error: CarmineError): void;
}

/**
 * Tells what changes among the instances of one class by comparing each look at all of them with the one before, for as many
 * listeners as there are: one look serves all. Where the provider tells that something changed it looks only then, so that a
 * machine on which nothing happens does nothing; elsewhere as often as the most impatient listener wants. It never looks more
 * often than that, however much changes, but for what the provider says is to be told soon, if looking costs little.
 */
export class ClassWatcher {
  readonly #binding: ClassBinding;
  readonly #timers: EventTimers;
  readonly #keys: readonly string[];
  readonly #listeners = new Set<ChangeListener>();
  readonly #joining: {
    readonly listener: ChangeListener;
    resolve(): void;
    reject(error: CarmineError): void;
  }[] = [];
  #snapshot: ReadonlyMap<string, Values> | undefined;
  #looking = false;
  #lookedAt = 0;
  /** Milliseconds that the last look took. */
  #cost = 0;
  #changed: 'no' | 'some time' | 'soon' = 'no';
  #cancelTimer: (() => void) | undefined;
  #unwatch: (() => void) | undefined;

  constructor(binding: ClassBinding, timers: EventTimers) {
    this.#binding = binding;
    this.#timers = timers;
    this.#keys = keyProperties(binding.cls).map(({ name }) => name);
  }

  /** Resolves when everything that changes from now on will be told; rejects when the instances cannot be read. */
  join(listener: ChangeListener): Promise<void> {
    this.#unwatch ??= this.#binding.watch?.((soon) => this.#onChange(soon === true));
    return new Promise((resolve, reject) => {
      this.#joining.push({ listener, resolve, reject });
      // A look that has begun may have passed over what changes now: whoever comes during one waits for the next.
      if (!this.#looking) void this.#look();
    });
  }

  leave(listener: ChangeListener): void {
    this.#listeners.delete(listener);
    if (this.#listeners.size === 0 && !this.#looking) this.#rest();
  }

  #onChange(soon: boolean): void {
    const sooner = soon && this.#changed !== 'soon';
    if (sooner) this.#changed = 'soon';
    else if (this.#changed === 'no') this.#changed = 'some time';
    if (!this.#looking && (sooner || this.#cancelTimer === undefined)) this.#schedule();
  }

  /** Sets the timer for the next look, if there is to be one. */
  #schedule(): void {
    if (this.#listeners.size === 0) {
      this.#rest();
      return;
    }
    if (this.#unwatch !== undefined && this.#changed === 'no') return;
    const asked = Math.min(...[...this.#listeners].map((listener) => listener.within));
    const soon = this.#changed === 'soon';
    const within = soon ? Math.min(asked, this.#cost * worthItsCost) : asked;
    this.#cancelTimer?.();
    // Clocks are set: never wait longer than was asked for.
    const rest = Math.min(this.#lookedAt + within - this.#timers.now(), within);
    this.#cancelTimer = this.#timers.after(Math.max(rest, soon ? soonCoalescing : coalescing), () => void this.#look());
  }

  /** Nobody listens: what was seen is forgotten, and nothing is left that could wake up. */
  #rest(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#unwatch?.();
    this.#unwatch = undefined;
    this.#snapshot = undefined;
    this.#changed = 'no';
  }

  /** One look for everybody who listens and everybody who waits to; if it fails, it fails for all of them. */
  async #look(): Promise<void> {
    this.#looking = true;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const joining = this.#joining.splice(0);
    try {
      await this.#compare();
      for (const { listener, resolve } of joining) {
        this.#listeners.add(listener);
        resolve();
      }
    } catch (thrown) {
      const error = CarmineError.from(thrown);
      const listeners = [...this.#listeners];
      this.#listeners.clear();
      this.#snapshot = undefined;
      for (const { reject } of joining) reject(error);
      for (const listener of listeners) listener.failed(error);
    }
    this.#looking = false;
    if (this.#joining.length > 0) await this.#look();
    else this.#schedule();
  }

  async #compare(): Promise<void> {
    // What changes while we look is found by the next look.
    this.#changed = 'no';
    const began = this.#timers.now();
    const before = this.#snapshot;
    const snapshot = new Map<string, Values>();
    const changes: InstanceChange[] = [];
    for await (const values of this.#binding.enumerate?.({}) ?? []) {
      const key = this.#keyOf(values);
      const previous = before?.get(key);
      const same = previous !== undefined && sameValues(previous, values);
      snapshot.set(key, same ? previous : values);
      if (same || before === undefined) continue;
      changes.push(
        previous === undefined ? { kind: 'created', target: values } : { kind: 'modified', target: values, previous },
      );
    }
    for (const [key, target] of before ?? []) if (!snapshot.has(key)) changes.push({ kind: 'deleted', target });
    this.#snapshot = snapshot;
    this.#lookedAt = this.#timers.now();
    this.#cost = Math.max(0, this.#lookedAt - began);
    if (changes.length > 0) for (const listener of this.#listeners) listener.changed(changes);
  }

  /** Keys are scalars, and providers spell them in one way only. */
  #keyOf(values: Values): string {
    const texts = this.#keys.map((name) => {
      const value = values.get(name) ?? null;
      return value === null || typeof value === 'object' ? '' : formatScalar(value);
    });
    return texts.join('\n');
  }
}

function sameValues(a: Values, b: Values): boolean {
  for (const [name, value] of a) if (!isSame(value, b.get(name) ?? null)) return false;
  return a.size === b.size;
}

function isSame(a: CimValue, b: CimValue): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (isInstance(a) || isInstance(b))
    return isInstance(a) && isInstance(b) && a.className === b.className && sameValues(a.properties, b.properties);
  const [left, right] = [a as ArrayLike<CimValue>, b as ArrayLike<CimValue>];
  if (left.length !== right.length) return false;
  for (let index = 0; index < left.length; index++) if (!isSame(left[index]!, right[index]!)) return false;
  return true;
}

/** Milliseconds: changes that come together are looked at together. */
const coalescing = 100;
const soonCoalescing = 20;
/** Looks that nobody asked for may take this part of the time: one in so many. */
const worthItsCost = 10;
