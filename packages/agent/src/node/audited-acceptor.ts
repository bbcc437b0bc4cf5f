import type { HttpAcceptor, HttpAuthOutcome } from '@carmine/auth';
import { nobody, type Token } from '@carmine/security';

/** How an authentication ended, for the audit. A failed one has nobody's token with the name that was claimed. */
export type AuthenticationObserver = (token: Token, succeeded: boolean) => void;

/**
 * Tells of every authentication on a connection: once when somebody has proved who he is, and of each failed attempt.
 * Requests that merely repeat the credentials of the same account (Basic) are not told again.
 */
export function auditedAcceptor(acceptor: HttpAcceptor, source: string, observe: AuthenticationObserver): HttpAcceptor {
  let known: string | undefined;
  const tell = (outcome: HttpAuthOutcome, authorization: string | undefined) => {
    if (outcome.kind === 'accepted' && outcome.token.userSid !== known) {
      known = outcome.token.userSid;
      observe(outcome.token, true);
    } else if (outcome.kind === 'challenge' && authorization !== undefined) {
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
