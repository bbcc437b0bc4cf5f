import { toFiletime } from '@carmine/core';
import { CarmineError } from '@carmine/errors';
import type { ClassBinding } from './binding.ts';
import { toCimError } from './cim-error.ts';
import { type ChangeListener, ClassWatcher, type EventTimers, type InstanceChange } from './class-watcher.ts';
import type { InstanceEventName } from './event-classes.ts';
import type { EventQuery } from './event-query.ts';
import { EventQueue } from './event-queue.ts';
import type { CimClass, CimInstance, CimValue } from './model.ts';
import { normaliseNamespace } from './schema.ts';

/** Time for events, and what subscriptions may use. */
export interface EventOptions extends EventTimers {
  /** Events that wait for one subscriber; 1,000 unless given. One more ends the subscription. */
  readonly maxQueued?: number | undefined;
  /** Subscriptions of one user and of all; 100 and 1,000 unless given. */
  readonly maxSubscriptionsPerUser?: number | undefined;
  readonly maxSubscriptions?: number | undefined;
}

export interface HubSubscription {
  readonly query: EventQuery;
  /** SID of the subscriber, for the count. */
  readonly owner: string;
  readonly signal: AbortSignal | undefined;
  /** Throws when the subscriber must not see more. */
  readonly check: () => void;
  /** Called when the subscription ended by itself. */
  readonly onFailure: (error: CarmineError) => void;
}

/** The subscriptions of one dispatcher, on one watcher for each class. */
export class EventHub {
  readonly #options: EventOptions;
  readonly #bindings: readonly ClassBinding[];
  readonly #watchers = new Map<CimClass, ClassWatcher>();
  readonly #countOf = new Map<string, number>();
  #count = 0;

  constructor(options: EventOptions, bindings: readonly ClassBinding[]) {
    this.#options = options;
    this.#bindings = bindings;
  }

  /** Resolves when everything that changes from now on will be told. */
  async subscribe({ query, owner, signal, check, onFailure }: HubSubscription): Promise<EventQueue> {
    const watchers = query.classes.map((cls) => [cls, this.#watcherOf(cls)] as const);
    this.#take(owner);
    const undo: (() => void)[] = [];
    const queue = new EventQueue({
      limit: this.#options.maxQueued ?? 1_000,
      check,
      signal,
      onEnd: (error) => {
        for (const step of undo) step();
        this.#give(owner);
        if (error !== undefined) onFailure(error);
      },
    });
    try {
      for (const [cls, watcher] of watchers) {
        const listener: ChangeListener = {
          within: query.within,
          changed: (changes) => this.#tell(queue, query, cls, changes),
          failed: (error) => queue.end(toCimError(error)),
        };
        undo.push(() => watcher.leave(listener));
        await watcher.join(listener);
        if (signal?.aborted === true) throw new CarmineError('internal/aborted');
      }
    } catch (error) {
      await queue.return();
      // The signal may have ended the queue before the last watcher was joined.
      for (const step of undo) step();
      throw error;
    }
    return queue;
  }

  #tell(queue: EventQueue, query: EventQuery, cls: CimClass, changes: readonly InstanceChange[]): void {
    const time = toFiletime(this.#options.now());
    for (const change of changes) {
      const event = query.select(toEvent(cls, change, time));
      if (event !== undefined) queue.push(event);
    }
  }

  #watcherOf(cls: CimClass): ClassWatcher {
    let watcher = this.#watchers.get(cls);
    if (watcher === undefined) {
      const binding = this.#bindings.find((candidate) => candidate.cls === cls);
      if (binding?.enumerate === undefined)
        throw new CarmineError('cim/not-supported', { context: { operation: 'Subscribe', className: cls.name } });
      watcher = new ClassWatcher(binding, this.#options);
      this.#watchers.set(cls, watcher);
    }
    return watcher;
  }

  #take(owner: string): void {
    const { maxSubscriptions = 1_000, maxSubscriptionsPerUser = 100 } = this.#options;
    const count = this.#countOf.get(owner) ?? 0;
    const limit =
      this.#count >= maxSubscriptions
        ? maxSubscriptions
        : count >= maxSubscriptionsPerUser
          ? maxSubscriptionsPerUser
          : undefined;
    if (limit !== undefined) throw new CarmineError('cim/too-many-subscriptions', { context: { limit } });
    this.#count++;
    this.#countOf.set(owner, count + 1);
  }

  #give(owner: string): void {
    this.#count--;
    const count = (this.#countOf.get(owner) ?? 1) - 1;
    if (count === 0) this.#countOf.delete(owner);
    else this.#countOf.set(owner, count);
  }
}

function toEvent(cls: CimClass, change: InstanceChange, time: bigint): CimInstance {
  const namespace = normaliseNamespace(cls.namespace);
  const instance = (properties: CimInstance['properties']): CimInstance => ({
    namespace,
    className: cls.name,
    properties,
  });
  const properties = new Map<string, CimValue>([
    ['SECURITY_DESCRIPTOR', null],
    ['TIME_CREATED', time],
    ['TargetInstance', instance(change.target)],
  ]);
  if (change.kind === 'modified') properties.set('PreviousInstance', instance(change.previous));
  return { namespace, className: eventOf[change.kind], properties };
}

const eventOf: Readonly<Record<InstanceChange['kind'], InstanceEventName>> = {
  created: '__InstanceCreationEvent',
  modified: '__InstanceModificationEvent',
  deleted: '__InstanceDeletionEvent',
};
