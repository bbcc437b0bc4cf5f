import { hostname, networkInterfaces } from 'node:os';
import type { RpcConnectionInfo } from '@carmine/dcerpc';
import { createRpcListener, type RpcListenerOptions } from '@carmine/dcerpc/node';
import { createWmiHost, type WmiHost, type WmiHostOptions } from '../server/host.ts';
import { systemWmiEnvironment } from './environment.ts';

export interface WmiServerOptions
  extends Omit<WmiHostOptions, 'environment' | 'machine' | 'hosts' | 'resolverPort' | 'exporterPort'> {
  readonly environment?: WmiHostOptions['environment'] | undefined;
  /** Name of this machine; its host name unless given. */
  readonly machine?: string | undefined;
  /** Further names by which clients may know it. */
  readonly names?: readonly string[] | undefined;
  readonly connections?: Pick<RpcListenerOptions, 'maxConnections' | 'maxConnectionsPerAddress'> | undefined;
}

export interface WmiTcpServer {
  readonly host: WmiHost;
  /** Opens both ports; port 0 takes a free one. Returns where they are. */
  listen(resolver: Address, exporter: Address): Promise<{ readonly resolver: Address; readonly exporter: Address }>;
  close(): Promise<void>;
}

interface Address {
  readonly host: string;
  readonly port: number;
}

/** WMI over DCOM on TCP: the object resolver (135 where clients expect it) and the object exporter. */
export function createWmiTcpServer(options: WmiServerOptions): WmiTcpServer {
  const { machine = hostname(), names = [], onError } = options;
  let ports = { resolver: 0, exporter: 0 };
  let exporterHost = '';
  const host = createWmiHost({
    ...options,
    environment: options.environment ?? systemWmiEnvironment,
    machine: machine.split('.')[0]?.toUpperCase() ?? machine,
    hosts: (connection) => hostsFor(connection, [machine, ...names], exporterHost),
    resolverPort: () => ports.resolver,
    exporterPort: () => ports.exporter,
  });
  const resolver = createRpcListener({ ...options.connections, server: host.resolver, onError });
  const exporter = createRpcListener({ ...options.connections, server: host.exporter, onError });
  const sweeping = setInterval(() => host.sweep(), sweepInterval);
  sweeping.unref();
  const close = async (): Promise<void> => {
    clearInterval(sweeping);
    host.close();
    await Promise.allSettled([resolver.close(), exporter.close()]);
  };
  return {
    host,
    async listen(resolverAddress, exporterAddress) {
      try {
        const objects = await exporter.listen(exporterAddress.host, exporterAddress.port);
        exporterHost = objects.host;
        ports = { ...ports, exporter: objects.port };
        const found = await resolver.listen(resolverAddress.host, resolverAddress.port);
        ports = { ...ports, resolver: found.port };
        return { resolver: found, exporter: objects };
      } catch (error) {
        await close();
        throw error;
      }
    },
    close,
  };
}

/**
 * What clients choose from: the address that this one has reached, then names, then all other addresses that are listened on. Some
 * clients take only an entry that contains what was typed.
 */
function hostsFor(
  { localAddress }: RpcConnectionInfo,
  names: readonly string[],
  exporterHost: string,
): readonly string[] {
  const everywhere = exporterHost === '0.0.0.0' || exporterHost === '::';
  const loopback = isLoopback(localAddress);
  const others = everywhere
    ? Object.values(networkInterfaces())
        .flatMap((entries) => entries ?? [])
        .filter(({ internal, address }) => !internal && !address.startsWith('fe80'))
        .map(({ address }) => address)
    : [exporterHost];
  // A loopback address is of use to who came by it only.
  const usable = others.filter((address) => loopback || !isLoopback(address));
  return [...new Set([localAddress, ...names, ...(loopback ? ['localhost'] : []), ...usable])].filter(
    (name) => name !== '',
  );
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.');
}

/** Milliseconds. */
const sweepInterval = 30_000;
