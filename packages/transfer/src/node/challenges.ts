import { CarmineError, isCarmineError } from '@carmine/errors';
import type { RequestLine } from '../authenticator.ts';
import type { ConnectionLogon } from './connection-logon.ts';

/** Values of Authorization and Proxy-Authorization. */
export interface Answers {
  readonly server?: string | undefined;
  readonly proxy?: string | undefined;
}

/** What to say to `challenges`. `first`: nothing was said to any in this exchange yet. Throws `refusal`s, and resolves where a ticket must be got. */
export function answerChallenges(
  logon: ConnectionLogon,
  challenges: readonly string[],
  line: RequestLine,
  asker: keyof Answers,
  first: boolean,
): string | Promise<string> {
  try {
    let authenticator = logon.authenticator;
    // It has forgotten on this connection who we are: once, we tell it again.
    if (authenticator === undefined || (logon.over && first)) authenticator = logon.newAuthenticator();
    if (authenticator === undefined) throw refusal(undefined, asker);
    logon.answered++;
    return authenticator.next(challenges, line);
  } catch (thrown) {
    logon.authenticator = undefined;
    throw refusal(thrown, asker);
  }
}

/** The server accepts us: now it must prove itself, where the scheme has that. */
export function proveServer(logon: ConnectionLogon, challenges: readonly string[]): void {
  try {
    logon.authenticator?.finish(challenges);
  } catch (cause) {
    logon.authenticator = undefined;
    throw new CarmineError('transfer/authentication', { cause });
  }
}

/** What kept an authenticator from answering; that there is nobody to ask just now may pass. */
export function refusal(cause: unknown, asker: keyof Answers): CarmineError {
  if (isCarmineError(cause, 'transfer/no-authority')) return cause;
  const code = asker === 'server' ? 'transfer/authentication' : 'transfer/proxy-authentication';
  return new CarmineError(code, { cause });
}
