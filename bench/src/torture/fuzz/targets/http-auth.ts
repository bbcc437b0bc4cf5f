import {
  createHttpAcceptor,
  createHttpInitiator,
  type HttpAcceptor,
  type HttpInitiator,
  type HttpScheme,
  parseChallenges,
} from '@carmine/auth';
import { BrokenPromise, bytesOf, type FuzzSeed, type FuzzTarget, remoteOrRefused, textOf } from '../target.ts';
import { fuzzAccounts, fuzzEnvironment, fuzzPassword, fuzzUser } from './accounts.ts';

const challengeHeaders = [
  'Negotiate, NTLM, Basic realm="WSMAN"',
  'Digest realm="a \\"b\\"", nonce="bm9uY2U=", qop="auth,auth-int", algorithm=SHA-256, opaque="x", stale=FALSE',
  'Negotiate oYGEMIGBoAMKAQGh==, Basic realm=x , charset="UTF-8"',
];

/** Authorization at a server, WWW-Authenticate at a client; the first is never an error, whatever it is. */
export function httpAuthTarget(): FuzzTarget {
  const seeds: FuzzSeed[] = challengeHeaders.flatMap((header) => [
    {
      name: 'WWW-Authenticate',
      input: bytesOf(header),
      feed(input: Uint8Array) {
        parseChallenges([textOf(input)]);
        return undefined;
      },
    },
    {
      name: 'WWW-Authenticate at a client',
      input: bytesOf(header),
      feed(input: Uint8Array) {
        newInitiator(['negotiate', 'digest', 'basic']).next([textOf(input)], { method: 'GET', uri: '/x' });
        return undefined;
      },
    },
  ]);
  for (const scheme of ['negotiate', 'ntlm'] as const) {
    const { first, challenge, last } = legs(scheme);
    seeds.push(authorization(`${scheme}, first`, first, []), authorization(`${scheme}, last`, last, [first]));
    seeds.push({
      name: `WWW-Authenticate with a challenge of ${scheme}`,
      input: bytesOf(challenge),
      feed(input) {
        const initiator = newInitiator([scheme]);
        initiator.next([scheme]);
        initiator.next([textOf(input)]);
        return undefined;
      },
    });
  }
  seeds.push(authorization('basic', `Basic ${btoa(`FILES\\${fuzzUser}:P\xc3\xa4ssw0rd`)}`, []));
  const dictionary = ['Negotiate ', 'NTLM ', 'Basic ', 'Digest ', ', ', '="', '\\"', '=', '==', 'qop="auth"', 'realm='];
  return { seeds, dictionary, maximum: 65_536, documented: remoteOrRefused };
}

function authorization(name: string, header: string, before: readonly string[]): FuzzSeed {
  return {
    name: `Authorization: ${name}`,
    input: bytesOf(header),
    feed(input) {
      const acceptor = newAcceptor();
      for (const earlier of before) acceptor.authenticate(earlier);
      let accepted: boolean;
      try {
        accepted = acceptor.authenticate(textOf(input)).kind === 'accepted';
      } catch (error) {
        throw new BrokenPromise(`the acceptor threw ${String(error)}`);
      }
      if (accepted && !sameCredentials(textOf(input), header)) {
        throw new BrokenPromise('changed credentials were accepted');
      }
      return undefined;
    },
  };
}

/** White space around the parts and the case of the scheme's name mean nothing. */
function sameCredentials(one: string, other: string): boolean {
  const parts = (text: string): readonly string[] => {
    const trimmed = text.trim();
    const space = trimmed.indexOf(' ');
    return [trimmed.slice(0, space).toLowerCase(), meaning(trimmed.slice(space + 1).trim())];
  };
  return String(parts(one)) === String(parts(other));
}

/** Basic's name may have another domain or another case. */
function meaning(base64: string): string {
  const decoded = atob(base64);
  if (decoded.includes('\0')) return decoded;
  return decoded.replace(/^[^:]*\\/, '').replace(/^[^:]*/, (name) => name.replace(/@.*/, '').toLowerCase());
}

function newAcceptor(): HttpAcceptor {
  return createHttpAcceptor({
    schemes: ['negotiate', 'ntlm', 'basic'],
    accounts: fuzzAccounts,
    environment: fuzzEnvironment,
    hostName: 'files.example',
    realm: 'WSMAN',
    source: '192.0.2.7',
    secureTransport: true,
  });
}

function newInitiator(schemes: readonly HttpScheme[]): HttpInitiator {
  return createHttpInitiator({
    credentials: { user: fuzzUser, password: fuzzPassword },
    schemes,
    environment: fuzzEnvironment,
    host: 'files.example',
    service: 'WSMAN',
    secureTransport: true,
  });
}

function legs(scheme: 'negotiate' | 'ntlm') {
  const [initiator, acceptor] = [newInitiator([scheme]), newAcceptor()];
  const first = initiator.next([scheme]);
  const outcome = acceptor.authenticate(first);
  if (outcome.kind !== 'continue') throw new BrokenPromise('no challenge');
  const challenge = outcome.headers[0] ?? '';
  return { first, challenge, last: initiator.next([challenge]) };
}
