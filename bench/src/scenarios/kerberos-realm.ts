import { randomBytes } from 'node:crypto';
import {
  createKerberosAcceptor,
  createKerberosInitiator,
  createKerberosService,
  createReplayCache,
  type Environment,
  type KerberosContext,
} from '@carmine/auth';
import { encodePac, encodeValidationInfo, pacData, start, testKdc, ticketFor } from '@carmine/auth/testing';

/** Encryption types that are measured: what old peers speak, and what new ones do. */
export const kerberosTypes = [
  { etype: 18, name: 'AES-256 with SHA-1' },
  { etype: 20, name: 'AES-256 with SHA-384' },
];

/** A service with one client whose ticket has a PAC of Windows' kind. */
export interface KerberosRealm {
  readonly name: string;
  /** Both sides from the first token to the end. */
  handshake(): { readonly client: KerberosContext; readonly server: KerberosContext };
  /** What each of many calls does: takes an AP-REQ that was made before and has not been seen, and answers it. */
  acceptance(): () => void;
}

export function kerberosRealm({ etype, name }: { readonly etype: number; readonly name: string }): KerberosRealm {
  const environment: Environment = { now: () => start, randomBytes: (length) => new Uint8Array(randomBytes(length)) };
  const kdc = testKdc({
    etypes: [etype],
    randomBytes: environment.randomBytes,
    authorizationData: (_name, authtime, key) => pacData(encodePac(encodeValidationInfo({}), 'admin', authtime, key)),
  });
  const ticket = ticketFor(kdc, 'HTTP/files.example', environment);
  const keytab = kdc.keytab('HTTP/files.example');
  // One client that comes so often is more than a cache is for.
  const newService = () => {
    const replayCache = createReplayCache({ capacity: 2 * prepared, capacityPerClient: 2 * prepared });
    return createKerberosService({ keytab, environment, replayCache });
  };
  const newClient = () => createKerberosInitiator({ ticket, environment });
  let service = newService();
  let handshakes = 0;
  return {
    name,
    handshake() {
      if (handshakes++ % prepared === 0) service = newService();
      const [client, server] = [newClient(), createKerberosAcceptor({ service })];
      client.step(server.step(client.step()));
      if (!client.complete || !server.complete) throw new Error('the handshake did not complete');
      return { client, server };
    },
    acceptance() {
      const requests = Array.from({ length: prepared }, () => newClient().step());
      let own = newService();
      let next = 0;
      return () => {
        const server = createKerberosAcceptor({ service: own });
        server.step(requests[next]);
        if (!server.complete) throw new Error('the ticket was not accepted');
        next++;
        // A server that has seen none of them.
        if (next === prepared) [own, next] = [newService(), 0];
      };
    },
  };
}

const prepared = 10_000;
