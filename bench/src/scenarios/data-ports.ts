import { freePort, type Sandbox } from '@carmine/testkit/node';

/** Two free ports for URL groups of a sandbox's server agent, with its certificate on the second, and the options that name the agent. */
export async function dataPorts({ server, user, certificate, command }: Sandbox) {
  const on = ['--on', `wsman://${user}@127.0.0.1:${server.port}`];
  const ports = { http: await freePort(), https: await freePort() };
  const { thumbprint } = certificate;
  await command('controller', ['certificate', 'set', String(ports.https), '--thumbprint', thumbprint, ...on]);
  return { on, ports };
}
