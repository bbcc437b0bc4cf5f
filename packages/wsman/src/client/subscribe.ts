import type { CallOptions } from '@carmine/core';
import { CarmineError, isCarmineError } from '@carmine/errors';
import { formatDuration, parseDuration } from '../protocol/duration.ts';
import { actions, deliveryModes, namespaces } from '../protocol/names.ts';
import { attribute, child, trimmedText, type XmlElement } from '../xml/element.ts';
import { XmlWriter } from '../xml/writer.ts';
import type { Ask } from './ask.ts';

export interface PullSubscription<T> {
  readonly ask: Ask;
  readonly now: () => number;
  readonly resourceUri: string;
  /** w:Filter, written. */
  readonly filter: string;
  readonly batchSize: number;
  readonly decode: (event: XmlElement) => T;
}

/** What the service gave for a Subscribe. */
interface Granted {
  /** The subscription manager's: where Pull, Renew and Unsubscribe go. */
  readonly resourceUri: string;
  readonly identifier: string | undefined;
  context: string;
  /** Milliseconds; undefined when it does not expire or the service did not say. */
  lifetime: number | undefined;
  renewAt: number;
}

/**
 * Subscribes with Pull delivery (DSP0226 section 10.2.9.5): the only mode that needs no way from the machine to us. Each Pull
 * waits at the machine until something happens or OperationTimeout has passed, and the subscription is renewed at half its time.
 * Events that an interrupted Pull took with it are lost, so any failure but a time-out ends the iteration.
 */
export async function subscribeByPull<T>(
  subscription: PullSubscription<T>,
  options: CallOptions | undefined,
): Promise<AsyncIterable<T>> {
  const { ask, now, resourceUri, filter } = subscription;
  const body = new XmlWriter().start('e:Subscribe', { 'xmlns:e': namespaces.e });
  body.empty('e:Delivery', { Mode: deliveryModes.pull }).element('e:Expires', formatDuration(lifetime));
  const message = {
    action: actions.subscribe,
    resourceUri,
    body: body.append(filter).end('e:Subscribe').toString(),
    idempotent: false,
  };
  const began = now();
  const granted = readGranted(await ask(message, options), resourceUri);
  schedule(granted, began);
  return new PulledEvents(subscription, granted, options?.signal);
}

/** Iterated once. Who leaves it, by `return` or by the signal, unsubscribes. */
class PulledEvents<T> implements AsyncIterableIterator<T> {
  readonly #subscription: PullSubscription<T>;
  readonly #granted: Granted;
  readonly #ended = new AbortController();
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = (): void => void this.#end();
  #items: readonly XmlElement[] = [];
  #taken = 0;

  constructor(subscription: PullSubscription<T>, granted: Granted, signal: AbortSignal | undefined) {
    this.#subscription = subscription;
    this.#granted = granted;
    this.#signal = signal;
    signal?.addEventListener('abort', this.#onAbort, { once: true });
    if (signal?.aborted === true) void this.#end();
  }

  async next(): Promise<IteratorResult<T>> {
    try {
      for (;;) {
        if (this.#ended.signal.aborted) return done;
        const item = this.#items[this.#taken];
        if (item !== undefined) {
          this.#taken++;
          return { done: false, value: this.#subscription.decode(item) };
        }
        await this.#renewIfDue();
        this.#items = await this.#pull();
        this.#taken = 0;
      }
    } catch (error) {
      if (this.#ended.signal.aborted) return done;
      // It may be over at the other end or not; trying costs little.
      void this.#end();
      throw error;
    }
  }

  async return(): Promise<IteratorResult<T>> {
    // Whoever is about to close the connection can wait until the machine has heard of it.
    await this.#end();
    return done;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async #pull(): Promise<readonly XmlElement[]> {
    const { context } = this.#granted;
    const body = new XmlWriter().start('n:Pull').element('n:EnumerationContext', context);
    body.element('n:MaxElements', String(this.#subscription.batchSize)).end('n:Pull');
    try {
      const response = await this.#ask(actions.pull, body.toString());
      const items = child(response, namespaces.n, 'Items')?.children ?? [];
      const next = trimmedText(child(response, namespaces.n, 'EnumerationContext')) ?? '';
      if (child(response, namespaces.n, 'EndOfSequence') !== undefined)
        throw new CarmineError('wsman/unexpected', { context: { reason: 'the machine ended the subscription' } });
      if (next !== '') this.#granted.context = next;
      return items.flatMap(unwrap);
    } catch (error) {
      // "No event yet" is a fault (DSP0226 section 10.2.9.5); a time-out of our own is none.
      if (isCarmineError(error, 'wsman/timed-out') && error.context['fault'] === true) return [];
      throw error;
    }
  }

  async #renewIfDue(): Promise<void> {
    const { now } = this.#subscription;
    if (now() < this.#granted.renewAt) return;
    const asked = formatDuration(lifetime);
    const body = new XmlWriter()
      .start('e:Renew', { 'xmlns:e': namespaces.e })
      .element('e:Expires', asked)
      .end('e:Renew');
    const began = now();
    try {
      const response = await this.#ask(actions.renew, body.toString());
      this.#granted.lifetime = readExpires(response) ?? this.#granted.lifetime;
      schedule(this.#granted, began);
    } catch (error) {
      // Windows and OMI do not renew (spec: section 7.11): it lasts as long as it lasts.
      if (!isCarmineError(error) || error.kind === 'transient') throw error;
      this.#granted.renewAt = Number.POSITIVE_INFINITY;
    }
  }

  #ask(action: string, body: string): Promise<XmlElement | undefined> {
    const { resourceUri, identifier } = this.#granted;
    return this.#subscription.ask(
      { action, resourceUri, identifier, body, idempotent: false },
      { signal: this.#ended.signal },
    );
  }

  /** Resolves when the machine has been told or could not be: it expires by itself then. */
  async #end(): Promise<void> {
    if (this.#ended.signal.aborted) return;
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#ended.abort(new CarmineError('internal/aborted'));
    this.#items = [];
    const { resourceUri, identifier } = this.#granted;
    const body = new XmlWriter().empty('e:Unsubscribe', { 'xmlns:e': namespaces.e }).toString();
    const message = { action: actions.unsubscribe, resourceUri, identifier, body, idempotent: true };
    await this.#subscription.ask(message, undefined).catch(() => {});
  }
}

/** Windows and we name the parameters ReferenceParameters, OMI ReferenceProperties (spec: section 7.11). */
function readGranted(response: XmlElement | undefined, resourceUri: string): Granted {
  const manager = child(response, namespaces.e, 'SubscriptionManager');
  const parameters =
    child(manager, namespaces.a, 'ReferenceParameters') ?? child(manager, namespaces.a, 'ReferenceProperties');
  const context = trimmedText(child(response, namespaces.n, 'EnumerationContext')) ?? '';
  if (context === '')
    throw new CarmineError('wsman/unexpected', {
      context: { reason: 'a subscription without a context to pull from' },
    });
  return {
    resourceUri: trimmedText(child(parameters, namespaces.w, 'ResourceURI')) || resourceUri,
    identifier: trimmedText(child(parameters, namespaces.e, 'Identifier')),
    context,
    lifetime: readExpires(response),
    renewAt: 0,
  };
}

/** Undefined for a date: by whose clock it is meant is not known, and we did not ask for one. */
function readExpires(response: XmlElement | undefined): number | undefined {
  const text = trimmedText(child(response, namespaces.e, 'Expires'));
  return text === undefined ? undefined : parseDuration(text);
}

function schedule(granted: Granted, began: number): void {
  granted.renewAt = granted.lifetime === undefined ? Number.POSITIVE_INFINITY : began + granted.lifetime / 2;
}

/** Some services wrap each event as in a push; a heartbeat is no event. */
function unwrap(item: XmlElement): readonly XmlElement[] {
  if (item.local !== 'Event' || item.uri !== namespaces.w) return [item];
  return attribute(item, '', 'Action')?.endsWith('/Heartbeat') === true ? [] : item.children;
}

const done: IteratorReturnResult<undefined> = { done: true, value: undefined };
/** Milliseconds asked for. */
const lifetime = 600_000;
