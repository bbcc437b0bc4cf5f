import type { AuthenticatedAccount, Environment } from '../../context.ts';
import type { KeytabEntry } from '../files/keytab.ts';
import type { PrincipalName } from '../messages/principal.ts';
import { createReplayCache, type ReplayCache } from './replay-cache.ts';

/**
 * The account behind a Kerberos client, or undefined to refuse it. `principal` is the name without the realm (`user`);
 * `pac` is what the ticket's authorisation data say, already verified, or undefined when there are none: MIT's KDC
 * sends names only.
 */
export type KerberosAccounts = (
  principal: string,
  realm: string,
  pac: AuthenticatedAccount | undefined,
) => AuthenticatedAccount | undefined;

export interface KerberosServiceOptions {
  /** The keys of this machine's services, or a function that gives the present ones (see openKeytab in ./node). */
  readonly keytab: readonly KeytabEntry[] | (() => readonly KeytabEntry[]);
  readonly environment: Environment;
  /** Unless given: the account of the PAC, and nobody without one. */
  readonly accounts?: KerberosAccounts | undefined;
  /** First components of the service names that are answered to; `HTTP`, `WSMAN`, `RPCSS` and `host` unless given. */
  readonly services?: readonly string[] | undefined;
  /** Milliseconds that clocks may differ by; five minutes unless given. */
  readonly maxSkew?: number | undefined;
  /** Lets in tickets that are encrypted with rc4-hmac. */
  readonly allowRc4?: boolean | undefined;
  readonly replayCache?: ReplayCache | undefined;
}

/** What all acceptors of one machine share: keys, accounts and the memory of authenticators. */
export interface KerberosService {
  readonly keytab: () => readonly KeytabEntry[];
  readonly environment: Environment;
  readonly accounts: KerberosAccounts;
  /** In lower case. */
  readonly services: readonly string[];
  readonly maxSkew: number;
  readonly allowRc4: boolean;
  readonly replayCache: ReplayCache;
}

/** Make one and keep it: its replay cache is only as good as its age. */
export function createKerberosService(options: KerberosServiceOptions): KerberosService {
  const { keytab, environment, accounts, services = standardServices, allowRc4 = false } = options;
  return {
    keytab: typeof keytab === 'function' ? keytab : () => keytab,
    environment,
    accounts: accounts ?? ((_principal, _realm, pac) => pac),
    services: services.map((service) => service.toLowerCase()),
    maxSkew: options.maxSkew ?? 300_000,
    allowRc4,
    replayCache: options.replayCache ?? createReplayCache(),
  };
}

/** Whether a principal is one of the services that are answered to unless others are named. */
export function isStandardService({ nameString: [kind] }: PrincipalName): boolean {
  return kind !== undefined && standardServices.some((service) => service.toLowerCase() === kind.toLowerCase());
}

const standardServices = ['HTTP', 'WSMAN', 'RPCSS', 'host'];
