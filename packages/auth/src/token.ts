import { type AuthenticationScheme, type Token, wellKnownSids } from '@carmine/security';
import type { AuthenticatedAccount } from './context.ts';

export interface TokenOptions {
  readonly scheme: AuthenticationScheme;
  /** Remote address. */
  readonly source: string;
  /** TLS, or a context whose every message is sealed. */
  readonly protectedChannel: boolean;
}

/** The token of a caller who proved to be this account: its groups and the implied Everyone, Network and Authenticated Users. */
export function createToken(account: AuthenticatedAccount, options: TokenOptions): Token {
  const implied = [wellKnownSids.everyone, wellKnownSids.network, wellKnownSids.authenticatedUsers];
  return Object.freeze({
    name: account.name,
    userSid: account.userSid,
    groupSids: Object.freeze([...new Set([...account.groupSids, ...implied])]),
    scheme: options.scheme,
    source: options.source,
    protectedChannel: options.protectedChannel,
  });
}
