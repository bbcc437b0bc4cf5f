import type { CimInstance } from '@carmine/cim';
import type { Token } from '@carmine/security';
import { faultError } from '../../protocol/faults.ts';
import type { Cursor } from '../cursor.ts';
import type { WsmanLimits } from '../limits.ts';
import type { WsmanEnvironment } from '../types.ts';

/** A subscription. It belongs to the user who made it. */
export interface Subscription {
  /** e:Identifier, and the context that is pulled from. */
  readonly id: string;
  readonly token: Token;
  readonly cursor: Cursor<CimInstance>;
  readonly write: (event: CimInstance) => string;
  readonly mode: 'pull' | 'push';
  /** Milliseconds; undefined without heartbeats. */
  readonly heartbeats: number | undefined;
  pulling: boolean;
  expires: number;
}

/** All subscriptions: capped for each user and together, ended when they are not renewed. */
export class SubscriptionStore {
  readonly #limits: WsmanLimits;
  readonly #environment: WsmanEnvironment;
  readonly #byId = new Map<string, Subscription>();

  constructor(limits: WsmanLimits, environment: WsmanEnvironment) {
    this.#limits = limits;
    this.#environment = environment;
  }

  /** Throws the quota faults, before anything is started. */
  checkRoom(owner: string): void {
    this.sweep();
    if (this.#byId.size >= this.#limits.maxSubscriptions) throw faultError('quotaLimit');
    let count = 0;
    for (const { token } of this.#byId.values()) if (token.userSid === owner) count++;
    if (count >= this.#limits.maxSubscriptionsPerUser) throw faultError('quotaLimit');
  }

  add(start: Omit<Subscription, 'id' | 'pulling' | 'expires'>, lifetime: number): Subscription {
    const id = `uuid:${this.#environment.uuid().toUpperCase()}`;
    const subscription = { ...start, id, pulling: false, expires: this.#environment.now() + lifetime };
    this.#byId.set(id, subscription);
    return subscription;
  }

  /** Undefined for one that does not exist, is over, or belongs to somebody else: nobody learns which. */
  find(id: string | undefined, owner: string): Subscription | undefined {
    const subscription = this.#byId.get(id ?? '');
    if (subscription === undefined || subscription.token.userSid !== owner) return undefined;
    if (!this.isExpired(subscription)) return subscription;
    this.remove(subscription);
    return undefined;
  }

  /** What the identifier stands for is a subscription of somebody. */
  has(id: string): boolean {
    return this.#byId.has(id);
  }

  isExpired({ expires }: Subscription): boolean {
    return expires <= this.#environment.now();
  }

  remove(subscription: Subscription): void {
    if (this.#byId.delete(subscription.id)) subscription.cursor.close();
  }

  /** Ends what has expired. */
  sweep(): void {
    for (const subscription of this.#byId.values()) if (this.isExpired(subscription)) this.remove(subscription);
  }

  close(): void {
    for (const subscription of this.#byId.values()) this.remove(subscription);
  }
}
