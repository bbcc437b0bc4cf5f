import type { AccountLookup, AttemptGate, Environment, HttpAcceptor, KerberosService } from '@carmine/auth';
import type { CertificateStore } from '@carmine/core';
import type { Ports, PortTls } from '../shells.ts';
import { createUrlGroups, type UrlGroups } from '../url-groups.ts';
import { createBackgroundDigests } from './background-digests.ts';
import { openGroupStore } from './group-store.ts';
import { nativeFile } from './native-file.ts';
import { type PortHandler, PortListener } from './port-listener.ts';
import { type DataAcceptor, type DataConnection, RequestHandler } from './request-handler.ts';
import { SharedSources } from './shared-sources.ts';
import { createSourceFolder } from './source-files.ts';

export interface UrlServerOptions {
  readonly stateDir: string;
  /** Addresses on which URL groups listen. */
  readonly bind: readonly string[];
  /** Only files below these folders may be published. */
  readonly roots: readonly string[];
  readonly requireTls: boolean;
  readonly anonymous: boolean;
  /** Keep groups over a restart. */
  readonly persist: boolean;
  readonly requireChannelBinding: boolean;
  readonly accounts: AccountLookup;
  /** Slows down guessing; none unless given. */
  readonly attempts?: AttemptGate | undefined;
  /** Makes Negotiate accept Kerberos too. */
  readonly kerberos?: KerberosService | undefined;
  /**
   * PEM, one certificate each: clients of every https port are asked for a certificate, and `wrapAcceptor` is given those that
   * chain to these. BITS on Windows fails when it is asked and has none.
   */
  readonly clientAuthorities?: readonly string[] | undefined;
  /** Wraps each new connection's acceptor: for an audit, or to let client certificates count. */
  readonly wrapAcceptor?: ((acceptor: HttpAcceptor, connection: DataConnection) => DataAcceptor) | undefined;
  readonly certificates: CertificateStore;
  /** False: reads and writes also where sendfile(2) can be had. */
  readonly sendfile?: boolean | undefined;
  readonly environment: Environment;
  readonly hostName: string;
  readonly warn: (message: string) => void;
}

/** URL groups and the listeners that serve them. */
export interface UrlServer {
  readonly groups: UrlGroups;
  /** Number of answers being sent. */
  running(): number;
  start(): Promise<void>;
  /** Ends running answers, closes the ports and the store. */
  stop(): Promise<void>;
}

export function createUrlServer(options: UrlServerOptions): UrlServer {
  const { warn } = options;
  const store = openGroupStore(options.stateDir, options.persist);
  const files = createSourceFolder(options.roots);
  const digests = createBackgroundDigests(files, warn);
  const sources = new SharedSources(files);
  const handler = new RequestHandler({
    ...options,
    sources,
    native: options.sendfile === false ? undefined : nativeFile,
    digests,
    groups: () => groups.groups.values(),
  });
  const ports = createPorts(options, handler);
  const groups = createUrlGroups({ ...options, store, ports, files, digests });
  return {
    groups,
    running: () => handler.running,
    start: () => groups.start(),
    async stop() {
      await groups.stop();
      sources.close();
      await digests.close();
      store.close();
    },
  };
}

function createPorts({ bind, clientAuthorities }: UrlServerOptions, handler: RequestHandler): Ports {
  const handle: PortHandler = (...call) => handler.handle(...call);
  const listeners = new Map<number, { listener: PortListener; tls: PortTls | undefined }>();
  return {
    async open(port, scheme, tls) {
      const present = listeners.get(port);
      if (present !== undefined && sameTls(present.tls, tls)) return;
      const listener =
        present?.listener ?? new PortListener({ port, scheme, bind, clientAuthorities, handler: handle });
      await listener.open(tls);
      listeners.set(port, { listener, tls });
    },
    async close(port) {
      const present = listeners.get(port);
      listeners.delete(port);
      await present?.listener.close();
    },
    endTransfers: (group) => handler.endTransfers(group),
  };
}

function sameTls(a: PortTls | undefined, b: PortTls | undefined): boolean {
  return (
    a?.certificate === b?.certificate &&
    a?.privateKey === b?.privateKey &&
    a?.askClientCertificate === b?.askClientCertificate
  );
}
