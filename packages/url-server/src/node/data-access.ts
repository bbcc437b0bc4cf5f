import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import {
  type AccountLookup,
  type AttemptGate,
  createHttpAcceptor,
  type Environment,
  type HttpAcceptor,
  type HttpScheme,
  type KerberosService,
} from '@carmine/auth';
import { verifiedClientCertificate } from '@carmine/auth/node';
import type { ResponseFields } from '@carmine/http1';
import type { Exchange } from '@carmine/http1/node';
import {
  accessCheck,
  anonymousToken,
  fileGenericRead,
  nobody,
  parseSddl,
  type SecurityDescriptor,
  type Token,
} from '@carmine/security';
import type { PublishedUrl, UrlGroup } from '../group.ts';
import type { DataAcceptor } from './data-acceptor.ts';
import type { PortContext } from './port-listener.ts';
import type { Visitor } from './visitor.ts';

export interface DataAccessOptions {
  readonly accounts: AccountLookup;
  readonly attempts?: AttemptGate | undefined;
  /** Makes Negotiate accept Kerberos too. */
  readonly kerberos?: KerberosService | undefined;
  /** PEM, one certificate each: clients of https ports are asked for a certificate of theirs; see `wrapAcceptor`. */
  readonly clientAuthorities?: readonly string[] | undefined;
  /** Wraps each new connection's acceptor: for an audit, or to let client certificates count. */
  readonly wrapAcceptor?: ((acceptor: HttpAcceptor, connection: DataConnection) => DataAcceptor) | undefined;
  readonly environment: Environment;
  readonly hostName: string;
  /** Serve groups whose schemes are all off. */
  readonly anonymous: boolean;
  readonly requireChannelBinding: boolean;
}

/** What `wrapAcceptor` learns of a connection. */
export interface DataConnection {
  readonly source: string;
  /** DER, verified against `clientAuthorities`. */
  readonly clientCertificate: Uint8Array | undefined;
}

/** Who asks, with the last words of the authentication, which go with any answer; or what he is answered instead. */
export type Admission =
  | { readonly token: Token; readonly responseHeader: string | undefined }
  | { readonly status: 401 | 403; readonly challenges: ResponseFields };

/** Who asks for a file. */
export class DataAccess {
  readonly #o: DataAccessOptions;

  constructor(options: DataAccessOptions) {
    this.#o = options;
  }

  admit(exchange: Exchange, port: PortContext, visitor: Visitor, group: UrlGroup): Admission {
    const schemes = schemesOf(group);
    const byCertificate = this.#o.clientAuthorities !== undefined && port.scheme === 'https';
    if (schemes.length > 0 || byCertificate) {
      const acceptor = this.#acceptorFor(exchange.socket, port, visitor, schemes);
      const outcome = acceptor.authenticate(exchange.head.fields.get('authorization'));
      if (outcome.kind === 'accepted') return { token: outcome.token, responseHeader: outcome.responseHeader };
      if (schemes.length > 0 && outcome.kind !== 'forbidden')
        return { status: 401, challenges: outcome.headers.map((header) => ['WWW-Authenticate', header]) };
    }
    if (schemes.length === 0 && this.#o.anonymous)
      return { token: anonymousToken(visitor.source), responseHeader: undefined };
    return { status: 403, challenges: [] };
  }

  #acceptorFor(socket: Socket, port: PortContext, { source, acceptors }: Visitor, schemes: Schemes): DataAcceptor {
    let acceptor = acceptors.get(schemes);
    if (acceptor === undefined) {
      const { accounts, attempts, clientAuthorities, environment, hostName, kerberos, requireChannelBinding } = this.#o;
      const channelBinding = port.channelBinding(socket);
      const created = createHttpAcceptor({
        schemes,
        accounts,
        attempts,
        kerberos,
        environment,
        hostName,
        realm: 'Carmine',
        source,
        secureTransport: port.scheme === 'https',
        // Data is protected by TLS or not at all, never by NTLM's keys.
        authenticationOnly: true,
        channelBinding,
        requireChannelBinding: requireChannelBinding && port.scheme === 'https',
      });
      const clientCertificate = clientAuthorities === undefined ? undefined : verifiedClientCertificate(socket);
      acceptor = this.#o.wrapAcceptor?.(created, { source, clientCertificate }) ?? created;
      acceptors.set(schemes, acceptor);
    }
    return acceptor;
  }
}

/** FILE_GENERIC_READ against the URL's descriptor, and the certificate that it may ask for. */
export function mayRead(url: PublishedUrl, token: Token, socket: Socket): boolean {
  if (token === nobody) return false;
  if (url.certificateHash !== undefined && clientThumbprint(socket) !== url.certificateHash) return false;
  return url.sddl === '' || accessCheck(descriptorOf(url), token, fileGenericRead);
}

function clientThumbprint(socket: Socket): string | undefined {
  const certificate = 'getPeerCertificate' in socket ? (socket as TLSSocket).getPeerCertificate() : undefined;
  return certificate?.fingerprint?.replaceAll(':', '').toLowerCase();
}

/** Parsed once: a URL never changes, another takes its place. */
function descriptorOf(url: PublishedUrl): SecurityDescriptor {
  let descriptor = descriptors.get(url);
  if (descriptor === undefined) {
    descriptor = parseSddl(url.sddl);
    descriptors.set(url, descriptor);
  }
  return descriptor;
}

const descriptors = new WeakMap<PublishedUrl, SecurityDescriptor>();

/** The same object for the same schemes. */
function schemesOf({ negotiate, ntlm }: UrlGroup): Schemes {
  return schemeSets[(negotiate ? 1 : 0) + (ntlm ? 2 : 0)] ?? [];
}

type Schemes = readonly HttpScheme[];
const schemeSets: readonly Schemes[] = [[], ['negotiate'], ['ntlm'], ['negotiate', 'ntlm']];
