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

/** Octets of an answer's head that our clients' HTTP library takes. */
const largestAnswerHead = 16_384;

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
      maximum: largestAnswerHead,
      feed(input: Uint8Array) {
        parseChallenges([textOf(input)]);
        return undefined;
      },
    },
    {
      name: 'WWW-Authenticate at a client',
      input: bytesOf(header),
      maximum: largestAnswerHead,
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
      maximum: largestAnswerHead,
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
      if (accepted && !isValid(textOf(input))) {
        throw new BrokenPromise('changed credentials were accepted');
      }
      return undefined;
    },
  };
}

/**
 * Whether an accepted header says what a valid one says: the same AUTHENTICATE message, whatever SPNEGO (which may have
 * extensions) has around it, or the password of the account, whatever the domain.
 */
function isValid(header: string): boolean {
  const decoded = Buffer.from(header.trim().split(/\s+/)[1] ?? '', 'base64');
  if (/^basic/i.test(header.trim())) {
    const text = decoded.toString();
    const name = text
      .slice(0, text.indexOf(':'))
      .replace(/^[^\\]*\\/, '')
      .replace(/@.*/s, '');
    return name.toLowerCase() === fuzzUser && text.slice(text.indexOf(':') + 1) === fuzzPassword;
  }
  return authenticates.some((message) => decoded.includes(message));
}

/** The one AUTHENTICATE message that each scheme's exchange ends with. */
const authenticates = (['negotiate', 'ntlm'] as const).map((scheme) => {
  const token = Buffer.from(legs(scheme).last.split(' ')[1] ?? '', 'base64');
  const start = token.indexOf('NTLMSSP\0');
  // The session key is the message's last part.
  return token.subarray(start, start + token.readUInt16LE(start + 52) + token.readUInt32LE(start + 56));
});

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
