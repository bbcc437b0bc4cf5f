import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CarmineError } from '@carmine/errors';
import { formatAddress, isLoopback, type ListenAddress } from '../address.ts';
import { listenFailure } from './listen-failure.ts';

/** Named numbers of the agent; names follow Prometheus' rules. */
export interface MetricsSource {
  /** Name with labels → value, e.g. `carmine_calls_total{action="GetInstance",outcome="allowed"}`. */
  collect(): ReadonlyMap<string, number>;
}

/** Counts calls by action and outcome. */
export class CallCounter implements MetricsSource {
  readonly #counts = new Map<string, number>();

  add(action: string, outcome: string): void {
    // Method names are the schema's or refused; anything else would let callers grow the table.
    const name = /^[A-Za-z]{1,40}$/.test(action) && this.#counts.size < 500 ? action : 'other';
    const key = `carmine_calls_total{action="${name}",outcome="${outcome}"}`;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  collect(): ReadonlyMap<string, number> {
    return this.#counts;
  }
}

export interface MetricsServer {
  readonly address: string;
  close(): Promise<void>;
}

/**
 * Serves `GET /metrics` in Prometheus' text format. It has no authentication, so it listens on loopback addresses
 * only; anything else is refused with `configuration/invalid`.
 */
export async function serveMetrics(address: ListenAddress, sources: readonly MetricsSource[]): Promise<MetricsServer> {
  if (!isLoopback(address.host)) {
    throw new CarmineError('configuration/invalid', {
      context: {
        file: 'configuration',
        line: 0,
        key: 'metrics.http',
        reason: 'only a loopback address: metrics are not authenticated',
      },
    });
  }
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 10_000 }, (request, response) => {
    if (request.method !== 'GET' || request.url !== '/metrics') {
      response.writeHead(request.url === '/metrics' ? 405 : 404).end();
      return;
    }
    const lines = [
      `process_resident_memory_bytes ${process.memoryUsage.rss()}`,
      `process_cpu_seconds_total ${process.cpuUsage().user / 1e6}`,
    ];
    for (const source of sources) for (const [name, value] of source.collect()) lines.push(`${name} ${value}`);
    response.writeHead(200, { 'Content-Type': 'text/plain; version=0.0.4' }).end(`${lines.join('\n')}\n`);
  });
  await listen(server, address);
  const { port } = server.address() as AddressInfo;
  return {
    address: formatAddress({ host: address.host, port }),
    close: () => new Promise((resolve) => server.close(() => resolve()) && server.closeAllConnections()),
  };
}

function listen(server: Server, address: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => reject(listenFailure(address, cause)));
    server.listen(address.port, address.host, resolve);
  });
}
