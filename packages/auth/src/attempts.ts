/**
 * Where acceptors ask whether an attempt may be made and say how it ended; a listener that slows down guessing provides
 * it. `account` is the name as the peer claimed it, in lower case, known or not: the answer must not depend on that.
 */
export interface AttemptGate {
  allow(source: string, account: string): boolean;
  report(source: string, account: string, succeeded: boolean): void;
}
