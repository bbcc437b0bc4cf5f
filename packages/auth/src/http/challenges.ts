import { CarmineError } from '@carmine/errors';

/** One challenge of a WWW-Authenticate header; scheme and parameter names in lower case. */
export interface Challenge {
  readonly scheme: string;
  readonly token68: string | undefined;
  readonly parameters: ReadonlyMap<string, string>;
}

/**
 * All challenges of all WWW-Authenticate headers of an answer; several may stand in one header, RFC 9110 section 11.6.1:
 *
 *     WWW-Authenticate = #challenge
 *     challenge        = auth-scheme [ 1*SP ( token68 / #auth-param ) ]
 *     auth-param       = token BWS "=" BWS ( token / quoted-string )
 *
 * A comma also separates the parameters; what follows one is a parameter when it has the form of one, else a scheme.
 * Throws `auth/protocol`.
 */
export function parseChallenges(headers: readonly string[]): readonly Challenge[] {
  return headers.flatMap(parseHeader);
}

interface MutableChallenge {
  scheme: string;
  token68: string | undefined;
  parameters: Map<string, string>;
}

function parseHeader(header: string): readonly Challenge[] {
  if (header.length > maxHeaderLength) throw malformed('too long');
  const challenges: MutableChallenge[] = [];
  let position = 0;
  const match = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = position;
    const found = pattern.exec(header);
    if (found === null) return undefined;
    position = pattern.lastIndex;
    return found;
  };

  for (;;) {
    match(separators);
    if (position === header.length) return challenges;
    const current = challenges.at(-1);
    const parameter = current === undefined || current.token68 !== undefined ? undefined : match(authParam);
    if (parameter !== undefined && current !== undefined) {
      addParameter(current, parameter);
      continue;
    }
    const scheme = match(schemeName)?.[1];
    if (scheme === undefined) throw malformed(`unexpected character at ${position + 1}`);
    const challenge: MutableChallenge = { scheme: scheme.toLowerCase(), token68: undefined, parameters: new Map() };
    challenges.push(challenge);
    match(spaces);
    const first = match(authParam);
    if (first !== undefined) addParameter(challenge, first);
    else challenge.token68 = match(token68)?.[1];
    if (match(itemEnd) === undefined) throw malformed(`unexpected character at ${position + 1}`);
  }
}

function addParameter(challenge: MutableChallenge, [, name, quoted, plain]: RegExpExecArray): void {
  const key = (name ?? '').toLowerCase();
  // RFC 9110 section 11.2: "each parameter name MUST only occur once per challenge".
  if (challenge.parameters.has(key)) throw malformed(`${key} is there twice`);
  challenge.parameters.set(key, plain ?? (quoted ?? '').replace(/\\(.)/g, '$1'));
}

function malformed(reason: string): CarmineError {
  return new CarmineError('auth/protocol', { context: { mechanism: 'WWW-Authenticate', reason } });
}

const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const separators = /[ \t,]*/y;
const spaces = /[ \t]*/y;
const itemEnd = /[ \t]*(?=,|$)/y;
const schemeName = new RegExp(`(${token})(?=[ \\t,]|$)`, 'y');
const authParam = new RegExp(`(${token})[ \\t]*=[ \\t]*(?:"((?:[^"\\\\]|\\\\.)*)"|(${token}))(?=[ \\t]*(?:,|$))`, 'y');
const token68 = /([A-Za-z0-9\-._~+/]+=*)(?=[ \t]*(?:,|$))/y;

/** Far beyond any token; a Kerberos ticket with large authorisation data stays below 64 KiB. */
const maxHeaderLength = 0x2_0000;
