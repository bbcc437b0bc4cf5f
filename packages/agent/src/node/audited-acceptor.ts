import type { SecurityContext } from '@carmine/auth';
import { nobody, type Token } from '@carmine/security';
import type { WsmanAuthOutcome } from '@carmine/wsman';

/** How an authentication ended, for the audit. A failed one has nobody's token with the name that was claimed. */
export type AuthenticationObserver = (token: Token, succeeded: boolean) => void;

/** HttpAcceptor, or one that also knows client certificates. */
interface Acceptor<Outcome> {
  readonly context: SecurityContext | undefined;
  authenticate(authorization: string | undefined): Outcome;
}

/**
 * Tells of every authentication on a connection: once when somebody has proved who he is, and of each failed attempt.
 * Requests that merely repeat the credentials of the same account (Basic) are not told again.
 */
export function auditedAcceptor<Outcome extends WsmanAuthOutcome>(
  acceptor: Acceptor<Outcome>,
  source: string,
  observe: AuthenticationObserver,
): Acceptor<Outcome> {
  let known: string | undefined;
  const tell = (outcome: WsmanAuthOutcome, authorization: string | undefined) => {
    if (outcome.kind === 'accepted' && outcome.token.userSid !== known) {
      known = outcome.token.userSid;
      observe(outcome.token, true);
    } else if (outcome.kind === 'forbidden' || (outcome.kind === 'challenge' && authorization !== undefined)) {
      known = undefined;
      observe({ ...nobody, name: outcome.attempted ?? '', source }, false);
    }
  };
  return {
    get context() {
      return acceptor.context;
    },
    authenticate(authorization) {
      const outcome = acceptor.authenticate(authorization);
      tell(outcome, authorization);
      return outcome;
    },
  };
}
