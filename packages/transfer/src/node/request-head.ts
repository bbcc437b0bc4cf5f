import type { RequestLine } from '../authenticator.ts';

/** What is asked for on a connection. */
export interface RequestHead extends RequestLine {
  readonly method: 'HEAD' | 'GET';
  /** Where in the file the content begins that is asked for. */
  readonly position: number;
  readonly headers: Readonly<Record<string, string>>;
}
