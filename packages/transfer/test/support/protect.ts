import { X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import {
  type Account,
  createHttpAcceptor,
  type HttpAcceptor,
  type HttpScheme,
  type KerberosService,
  ntOwfV1,
  tlsServerEndPoint,
} from '@carmine/auth';
import { systemEnvironment } from '@carmine/auth/node';
import { server } from './certificates.ts';
import type { HttpOrigin } from './http-origin.ts';

/** The only account: `admin` with the password `Pässw0rd`. */
export const admin: Account = {
  name: 'FILES\\admin',
  userSid: 'S-1-5-21-1-2-3-1001',
  groupSids: [],
  ntHash: ntOwfV1('Pässw0rd'),
};

/** Makes the origin ask for authentication, one acceptor per connection. Returns who was let in, and how. */
export function protect(
  origin: HttpOrigin,
  schemes: readonly HttpScheme[],
  secureTransport: boolean,
  kerberos?: KerberosService,
): string[] {
  const acceptorOf = acceptors(schemes, secureTransport, kerberos);
  const admitted: string[] = [];
  origin.behaviour = (request: IncomingMessage, response) => {
    const outcome = acceptorOf(request.socket).authenticate(request.headers.authorization);
    if (outcome.kind === 'accepted') {
      admitted.push(`${outcome.token.name} ${outcome.token.scheme}`);
      if (outcome.responseHeader !== undefined) response.setHeader('www-authenticate', outcome.responseHeader);
      return false;
    }
    response
      .writeHead(401, { 'www-authenticate': [...outcome.headers], 'content-length': 6 })
      .end(request.method === 'HEAD' ? undefined : 'who?\r\n');
    return true;
  };
  return admitted;
}

/** Whoever asks on a connection, one for each. */
export function acceptors(
  schemes: readonly HttpScheme[],
  secureTransport: boolean,
  kerberos?: KerberosService,
): (connection: object) => HttpAcceptor {
  const known = new WeakMap<object, HttpAcceptor>();
  return (connection) => {
    let acceptor = known.get(connection);
    if (acceptor === undefined) {
      acceptor = createHttpAcceptor({
        schemes,
        accounts: (user) => (/^admin(@|$)/i.test(user) ? admin : undefined),
        environment: systemEnvironment,
        hostName: 'files',
        realm: 'files',
        source: '127.0.0.1',
        secureTransport,
        kerberos,
        ...(secureTransport
          ? {
              channelBinding: tlsServerEndPoint(new X509Certificate(server.certificate).raw),
              requireChannelBinding: true,
            }
          : {}),
      });
      known.set(connection, acceptor);
    }
    return acceptor;
  };
}
