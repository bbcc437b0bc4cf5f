import type { Token } from '@carmine/security';
import type { WsmanLimits } from '../limits.ts';
import type { PushSink, WsmanEnvironment } from '../types.ts';
import { PushDelivery } from './push-delivery.ts';
import type { PushSettings } from './read-subscribe.ts';
import { type Subscription, SubscriptionStore } from './subscription-store.ts';

export interface EventingOptions {
  readonly limits: WsmanLimits;
  readonly environment: WsmanEnvironment;
  readonly sink: PushSink | undefined;
  readonly onUndeliverable: ((token: Token, url: string) => void) | undefined;
}

/** The event source of a service: its subscriptions, and the deliveries of those who are pushed to. */
export class Eventing {
  readonly store: SubscriptionStore;
  readonly environment: WsmanEnvironment;
  readonly sink: PushSink | undefined;
  readonly #options: EventingOptions;
  readonly #deliveries = new Set<PushDelivery>();

  constructor(options: EventingOptions) {
    this.#options = options;
    this.store = new SubscriptionStore(options.limits, options.environment);
    this.environment = options.environment;
    this.sink = options.sink;
  }

  /** `manager` is the content of the EPR that names the subscription. */
  startPush(subscription: Subscription, settings: PushSettings, manager: string): void {
    const { sink, store, environment } = this;
    if (sink === undefined) return;
    const { onUndeliverable } = this.#options;
    const delivery = new PushDelivery({ subscription, settings, manager, sink, store, environment, onUndeliverable });
    this.#deliveries.add(delivery);
    void delivery.run().finally(() => this.#deliveries.delete(delivery));
  }

  /** The service stops: receivers are told, then everything ends. */
  async end(): Promise<void> {
    const told = [...this.#deliveries].map((delivery) => delivery.shutDown());
    this.store.close();
    await Promise.all(told);
  }

  close(): void {
    this.store.close();
    for (const delivery of this.#deliveries) delivery.cancel();
  }
}
