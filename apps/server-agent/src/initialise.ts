import { hostname } from 'node:os';
import type { AgentConfiguration } from '@carmine/agent';
import { generateCertificate, openCertificateFiles } from '@carmine/agent/node';
import { openGroupStore } from '@carmine/url-server/node';

/** Port of the default URL group of `carmine copy`, https://+:8443/carmine. */
const defaultPort = 8443;

/** Makes a certificate for this machine and binds it to port 8443, so that `carmine copy` works without further ado. */
export async function initialiseServer({ stateDir }: AgentConfiguration): Promise<string[]> {
  const hosts = [...new Set([hostname(), 'localhost'])];
  const { certificate, privateKey } = await generateCertificate([...hosts, '127.0.0.1', '::1'], Date.now());
  const stored = await openCertificateFiles(stateDir).add('MY', certificate, privateKey);
  const store = openGroupStore(stateDir);
  await store.saveBinding(defaultPort, { storeName: 'MY', hash: stored.thumbprint });
  store.close();
  return [
    `certificate for ${hosts.join(', ')} on port ${defaultPort}: ${stored.file}`,
    'its certificate part goes into [client] trust of every machine that fetches from here',
  ];
}
