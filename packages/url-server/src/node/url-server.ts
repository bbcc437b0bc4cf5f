import type { AccountLookup, AttemptGate, Environment, HttpAcceptor, KerberosService } from '@carmine/auth';
import type { CertificateStore } from '@carmine/core';
import type { UrlGroup } from '../group.ts';
import { GroupMetrics } from '../group-metrics.ts';
import type { ReadingLimits } from '../reading-rate.ts';
import type { Ports, PortTls } from '../shells.ts';
import { createUrlGroups, type UrlGroups } from '../url-groups.ts';
import { type AccessLog, openAccessLog } from './access-log.ts';
import { createBackgroundDigests } from './background-digests.ts';
import type { DataAcceptor } from './data-acceptor.ts';
import type { DataConnection } from './data-access.ts';
import { openGroupStore } from './group-store.ts';
import { nativeFile } from './native-file.ts';
import { type PortHandler, PortListener } from './port-listener.ts';
import { RequestHandler } from './request-handler.ts';
import { SharedSources } from './shared-sources.ts';
import { createSourceFolder } from './source-files.ts';
import { rateInterval } from './transfer.ts';

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
  /** Connections to all data ports together; one more is closed at once. */
  readonly connectionLimit?: number | undefined;
  /** Answers that are read more slowly are cut; none unless given. */
  readonly reading?: ReadingLimits | undefined;
  /** Absolute path of a file that gets a line of JSON for each answer; see AccessRecord. */
  readonly accessLog?: string | undefined;
  /** For so long, milliseconds, `stop` lets running answers come to their end. */
  readonly drain?: number | undefined;
  /** The system's unless given. */
  readonly clock?: UrlServerClock | undefined;
  /** False: reads and writes also where sendfile(2) can be had. */
  readonly sendfile?: boolean | undefined;
  readonly environment: Environment;
  readonly hostName: string;
  readonly warn: (message: string) => void;
}

export interface UrlServerClock {
  /** Milliseconds, monotonic. */
  now(): number;
  /** Calls again and again until the returned function is called. */
  every(milliseconds: number, work: () => void): () => void;
}

/** URL groups and the listeners that serve them. */
export interface UrlServer {
  readonly groups: UrlGroups;
  /** Number of answers being sent. */
  running(): number;
  /** Of each group, named as Prometheus does. */
  metrics(): ReadonlyMap<string, number>;
  start(): Promise<void>;
  /** Refuses new requests, ends running answers after `drain`, closes the ports and the store. */
  stop(): Promise<void>;
}

export function createUrlServer(options: UrlServerOptions): UrlServer {
  const { warn, clock = systemClock } = options;
  const store = openGroupStore(options.stateDir, options.persist);
  const files = createSourceFolder(options.roots);
  const digests = createBackgroundDigests(files, store, warn);
  const metrics = new GroupMetrics();
  let log: AccessLog | undefined;
  const sources = new SharedSources(files);
  /** Undefined: groups may have come or gone. */
  let routed: readonly UrlGroup[] | undefined;
  const handler = new RequestHandler({
    ...options,
    sources,
    reading: options.reading,
    now: clock.now,
    native: options.sendfile === false ? undefined : nativeFile,
    digests,
    answered(record, group) {
      if (group !== undefined) metrics.add(group, record);
      log?.write(record);
    },
    groups: () => {
      routed ??= [...groups.groups.values()];
      return routed;
    },
  });
  const ports = createPorts(options, handler);
  const groups = createUrlGroups({ ...options, store, ports, files, digests });
  groups.watch(() => {
    routed = undefined;
  });
  let stopChecking = () => {};
  return {
    groups,
    running: () => handler.running,
    metrics: () => metrics.collect(groups.groups.values(), (group) => handler.runningOf(group)),
    async start() {
      if (options.accessLog !== undefined) log = await openAccessLog(options.accessLog, warn);
      if (options.reading !== undefined) stopChecking = clock.every(rateInterval, () => handler.checkRates());
      await groups.start();
    },
    async stop() {
      await within(options.drain ?? 0, handler.drain(), clock);
      stopChecking();
      await groups.stop();
      sources.close();
      await digests.close();
      store.close();
      // Over TLS, what was cut is over, and recorded, after its socket.
      await new Promise((resolve) => setImmediate(resolve));
      await log?.close();
    },
  };
}

/** Waits for something, but no longer than so many milliseconds. */
async function within(milliseconds: number, work: Promise<void>, clock: UrlServerClock): Promise<void> {
  if (milliseconds === 0) return;
  let stop = () => {};
  const over = new Promise<void>((resolve) => {
    stop = clock.every(milliseconds, resolve);
  });
  await Promise.race([work, over]);
  stop();
}

const systemClock: UrlServerClock = {
  now: () => performance.now(),
  every(milliseconds, work) {
    const timer = setInterval(work, milliseconds).unref();
    return () => clearInterval(timer);
  },
};

function createPorts({ bind, clientAuthorities, connectionLimit }: UrlServerOptions, handler: RequestHandler): Ports {
  const connections = { open: 0, limit: connectionLimit ?? Number.POSITIVE_INFINITY };
  const handle: PortHandler = (...call) => handler.handle(...call);
  const listeners = new Map<number, { listener: PortListener; tls: PortTls | undefined }>();
  return {
    async open(port, scheme, tls) {
      const present = listeners.get(port);
      if (present !== undefined && sameTls(present.tls, tls)) return;
      const listener =
        present?.listener ?? new PortListener({ port, scheme, bind, clientAuthorities, connections, handler: handle });
      await listener.open(tls);
      listeners.set(port, { listener, tls });
    },
    async close(port) {
      const present = listeners.get(port);
      listeners.delete(port);
      await present?.listener.close();
    },
    endTransfers: (group) => handler.endTransfers(group),
    transfers: () => handler.transfers(),
  };
}

function sameTls(a: PortTls | undefined, b: PortTls | undefined): boolean {
  return (
    a?.certificate === b?.certificate &&
    a?.privateKey === b?.privateKey &&
    a?.askClientCertificate === b?.askClientCertificate
  );
}
