import { CarmineError, isCarmineError } from '@carmine/errors';
import type { Token } from '@carmine/security';
import { readFault } from '../../client/read-fault.ts';
import { parseContentType } from '../../protocol/content-type.ts';
import { readEnvelope } from '../../protocol/envelope.ts';
import { deliveryActions, namespaces } from '../../protocol/names.ts';
import { decodeText, encodedLength, encodeText } from '../../xml/encoding.ts';
import { requestLimits } from '../../xml/limits.ts';
import { parseXml } from '../../xml/parse.ts';
import type { PushSink, WsmanEnvironment, WsmanResponse } from '../types.ts';
import type { PushSettings, Receiver } from './read-subscribe.ts';
import type { Subscription, SubscriptionStore } from './subscription-store.ts';
import { type DeliveredEvent, type EndStatus, writeDelivery, writeSubscriptionEnd } from './write-delivery.ts';

export interface PushDeliveryOptions {
  readonly subscription: Subscription;
  readonly settings: PushSettings;
  /** Content of the EPR of the subscription manager. */
  readonly manager: string;
  readonly sink: PushSink;
  readonly store: SubscriptionStore;
  readonly environment: WsmanEnvironment;
  readonly onUndeliverable: ((token: Token, url: string) => void) | undefined;
}

/** How a message was taken: `refused` ends the subscription at once, `failed` may be tried again. */
type Outcome = 'accepted' | 'refused' | 'failed';

/**
 * Brings the events of one subscription to their receiver (DSP0226 sections 10.2.9 and 10.7): one message after the other, each
 * only when the one before was taken. What is not taken is sent again as often as ConnectionRetry says; then the subscription
 * ends, and whoever is named in EndTo is told.
 */
export class PushDelivery {
  readonly #o: PushDeliveryOptions;
  /** Ends waiting and sending. */
  readonly #cancelled = new AbortController();
  #dropped = 0;

  constructor(options: PushDeliveryOptions) {
    this.#o = options;
  }

  /** Runs until the subscription is over; never rejects. */
  async run(): Promise<void> {
    const { subscription, store } = this.#o;
    let reason: { readonly status: EndStatus; readonly text: string } | undefined;
    try {
      while (!store.isExpired(subscription)) {
        const outcome = await this.#next();
        if (outcome === 'failed') reason = { status: 'DeliveryFailure', text: 'The events could not be delivered.' };
        if (outcome !== 'accepted') break;
      }
    } catch (error) {
      // Closed by Unsubscribe or by the end of the service, or ended by its source: too many events, or the right to see them gone.
      if (!isCarmineError(error, 'internal/aborted'))
        reason = { status: 'SourceCancelling', text: 'The event source has ended the subscription.' };
    }
    store.remove(subscription);
    if (reason === undefined || this.#cancelled.signal.aborted) return;
    if (reason.status === 'DeliveryFailure')
      this.#o.onUndeliverable?.(subscription.token, this.#o.settings.notifyTo.url);
    await this.#tellEnd(reason.status, reason.text);
  }

  /** Tells the receiver that the service stops; resolves when it has been told or cannot be. */
  async shutDown(): Promise<void> {
    this.cancel();
    await this.#tellEnd('SourceShuttingDown', 'The service is shutting down.');
  }

  /** Nothing more is sent. */
  cancel(): void {
    this.#cancelled.abort(new CarmineError('internal/aborted'));
  }

  /** Waits for events and delivers them, or a heartbeat when there were none for so long. */
  async #next(): Promise<Outcome> {
    const { subscription, environment } = this.#o;
    const left = Math.min(subscription.expires - environment.now(), maxWait);
    const heartbeats = subscription.heartbeats ?? Number.POSITIVE_INFINITY;
    const events = await this.#collect(Math.min(left, heartbeats));
    if (this.#cancelled.signal.aborted) throw new CarmineError('internal/aborted');
    if (events === 'cancel') return 'failed';
    if (events.length > 0) return this.#deliver(events);
    // The subscription may have been renewed while its end was waited for.
    return heartbeats <= left ? this.#deliver([{ action: deliveryActions.heartbeat, body: '' }]) : 'accepted';
  }

  /** The first event that comes within `wait`, and in mode Events what follows it. */
  async #collect(wait: number): Promise<DeliveredEvent[] | 'cancel'> {
    const { subscription, settings } = this.#o;
    const { cursor, write } = subscription;
    const limit = settings.maxEnvelopeSize - encodedLength(this.#write([]).text, 'utf-8');
    const events: DeliveredEvent[] = [];
    let octets = 0;
    let timer = this.#timer(wait);
    try {
      while (events.length < settings.maxElements) {
        const next = await cursor.peek(timer.signal);
        if (next === undefined) break;
        if (next.done === true) throw new CarmineError('internal/aborted');
        const event = { action: deliveryActions.event, body: write(next.value) };
        const size = encodedLength(event.body, 'utf-8') + eventFrame;
        if (octets + size > limit && events.length > 0) break;
        cursor.take();
        if (size > limit) {
          this.#dropped++;
          if (settings.policy === 'CancelSubscription') return 'cancel';
          if (settings.policy === 'Notify')
            return [
              {
                action: deliveryActions.droppedEvents,
                body: `<w:DroppedEvents Action="${deliveryActions.droppedEvents}">${this.#dropped}</w:DroppedEvents>`,
              },
            ];
          continue;
        }
        octets += size;
        events.push(event);
        if (events.length === 1 && settings.maxElements > 1) {
          timer.cancel();
          timer = this.#timer(settings.maxTime);
        }
      }
    } finally {
      timer.cancel();
    }
    return events;
  }

  async #deliver(events: readonly DeliveredEvent[]): Promise<Outcome> {
    const { settings, store, subscription } = this.#o;
    for (let attempt = 0; ; attempt++) {
      const { text, messageId } = this.#write(events);
      const outcome = await this.#send(settings.notifyTo, text, messageId);
      if (outcome !== 'failed' || attempt >= settings.retries) return outcome;
      const pause = this.#timer(settings.retryInterval);
      await new Promise<void>((resolve) => pause.signal.addEventListener('abort', () => resolve(), { once: true }));
      pause.cancel();
      if (this.#cancelled.signal.aborted || store.isExpired(subscription) || !store.has(subscription.id))
        throw new CarmineError('internal/aborted');
    }
  }

  async #send(receiver: Receiver, text: string, messageId: string): Promise<Outcome> {
    const { sink, settings } = this.#o;
    if (!sink.allows(receiver.url)) return 'failed';
    let response: WsmanResponse;
    try {
      const body = encodeText(text, 'utf-8');
      response = await sink.send({ url: receiver.url, contentType, body, signal: this.#cancelled.signal });
    } catch {
      return 'failed';
    }
    const answer = readAnswer(response);
    if (answer === 'refused') return 'refused';
    if (settings.mode === 'push') return response.status >= 200 && response.status < 300 ? 'accepted' : 'failed';
    return answer !== undefined && answer.action === deliveryActions.ack && answer.relatesTo === messageId
      ? 'accepted'
      : 'failed';
  }

  #write(events: readonly DeliveredEvent[]): { readonly text: string; readonly messageId: string } {
    const { settings, environment } = this.#o;
    const messageId = `uuid:${environment.uuid().toUpperCase()}`;
    return { messageId, text: writeDelivery({ messageId, mode: settings.mode, receiver: settings.notifyTo, events }) };
  }

  /** DSP0226 section 10.6: one message to EndTo; nobody waits for what becomes of it for long. */
  async #tellEnd(status: EndStatus, reason: string): Promise<void> {
    const { settings, manager, sink, environment } = this.#o;
    const receiver = settings.endTo;
    if (receiver === undefined || !sink.allows(receiver.url)) return;
    const messageId = `uuid:${environment.uuid().toUpperCase()}`;
    const text = writeSubscriptionEnd({ messageId, receiver, manager, status, reason });
    const abort = new AbortController();
    const cancel = environment.after(endTimeout, () => abort.abort());
    try {
      await sink.send({ url: receiver.url, contentType, body: encodeText(text, 'utf-8'), signal: abort.signal });
    } catch {
      // It was told as well as it could be.
    }
    cancel();
  }

  #timer(delay: number): { readonly signal: AbortSignal; cancel(): void } {
    const controller = new AbortController();
    const end = (): void => controller.abort();
    const cancel = this.#o.environment.after(delay, end);
    this.#cancelled.signal.addEventListener('abort', end, { once: true });
    if (this.#cancelled.signal.aborted) end();
    return {
      signal: controller.signal,
      cancel: () => {
        cancel();
        this.#cancelled.signal.removeEventListener('abort', end);
      },
    };
  }
}

/** What a receiver said; undefined when it said nothing that could be read. */
function readAnswer(response: WsmanResponse) {
  if (response.body.length === 0) return undefined;
  try {
    const { charset } = parseContentType(response.contentType);
    const { headers, content } = readEnvelope(parseXml(decodeText(response.body, charset).text, requestLimits));
    if (content?.local === 'Fault' && content.uri === namespaces.s)
      return readFault(content).name === 'deliveryRefused' ? 'refused' : undefined;
    const text = (local: string) =>
      headers.find((header) => header.uri === namespaces.a && header.local === local)?.text.trim();
    return { action: text('Action'), relatesTo: text('RelatesTo') };
  } catch {
    return undefined;
  }
}

const contentType = 'application/soap+xml;charset=UTF-8';
/** Octets of w:Event around an event. */
const eventFrame = 100;
/** Milliseconds: timers have a limit. */
const maxWait = 86_400_000;
const endTimeout = 5_000;
