import { requestLimits, type XmlLimits } from '../xml/limits.ts';

/** What the server lets one client, and all clients, use. Defaults are those of Windows (spec: section 10). */
export interface WsmanLimits {
  readonly xml: XmlLimits;
  /** Octets of a response envelope. */
  readonly maxEnvelopeSize: number;
  /** Milliseconds: default and cap of OperationTimeout. */
  readonly maxTimeout: number;
  /** Items of one batch. */
  readonly maxBatchItems: number;
  /** Milliseconds after which an idle enumeration is dropped. */
  readonly enumerationTimeout: number;
  /** Enumerations of one user, and of all. */
  readonly maxEnumerationsPerUser: number;
  readonly maxEnumerations: number;
  /** Subscriptions of one user, and of all. */
  readonly maxSubscriptionsPerUser: number;
  readonly maxSubscriptions: number;
  /** Milliseconds that a subscription lasts unless renewed: when the client does not say, and at most. */
  readonly subscriptionTime: number;
  readonly maxSubscriptionTime: number;
}

export const defaultWsmanLimits: WsmanLimits = {
  xml: requestLimits,
  maxEnvelopeSize: 512_000,
  maxTimeout: 60_000,
  maxBatchItems: 32_000,
  enumerationTimeout: 240_000,
  maxEnumerationsPerUser: 1_500,
  maxEnumerations: 5_000,
  maxSubscriptionsPerUser: 100,
  maxSubscriptions: 1_000,
  subscriptionTime: 600_000,
  maxSubscriptionTime: 86_400_000,
};
