import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bitsClientJobClass, bitsNamespace, createProxy } from '@carmine/cim';
import { createSandbox, freePort } from '@carmine/testkit/node';
import { createWsmanClient } from '@carmine/wsman/node';
import { soapRequest } from './src/soap-request.ts';
const sandbox = await createSandbox({ auth: ['ntlm', 'basic'] });
const { client, user, password, folder } = sandbox;
const port = await freePort();
const pem = JSON.stringify(join(folder, 'management.pem'));
const text = await readFile(client.config, 'utf8');
await writeFile(client.config, text.replace('[client]', `https = "127.0.0.1:${port}"\n[management.tls]\ncert = ${pem}\nkey = ${pem}\n[client]`));
const agent = await client.start();
const manager = createWsmanClient({ url: `wsman://127.0.0.1:${client.port}`, credentials: { user, password } });
const jobId = await createProxy(manager).jobs.createJob({ displayName: 'bench', remoteUrl: 'https://127.0.0.1/file', localFile: join(sandbox.inbox, 'file'), suspend: true });
await manager.close();
const url = `https://127.0.0.1:${port}/wsman`;
const path = { namespace: bitsNamespace, className: bitsClientJobClass.name, keys: new Map([['JobId', jobId]]) };
const lua = (name: string) => `local file = io.open("/tmp/prof/${name}.body", "rb")
wrk.method = "POST"
wrk.body = file:read("*a")
file:close()
wrk.headers["Content-Type"] = "application/soap+xml;charset=UTF-8"
wrk.headers["Authorization"] = "Basic ${Buffer.from(`${user}:${password}`).toString('base64')}"
`;
const tag = process.argv[2] ?? 'a';
await writeFile(`/tmp/prof/${tag}-identify.body`, await soapRequest(url, (c) => c.identify()));
await writeFile(`/tmp/prof/${tag}-get.body`, await soapRequest(url, (c) => c.getInstance(path)));
for (const n of ['identify', 'get']) await writeFile(`/tmp/prof/${tag}-${n}.lua`, lua(`${tag}-${n}`));
await writeFile(`/tmp/prof/${tag}.env`, `URL=${url}\nPID=${agent.child.pid}\n`);
console.log('ready', url, agent.child.pid);
setInterval(() => {}, 1e6);
process.on('SIGTERM', async () => { await agent.kill('SIGTERM'); await sandbox.close(); process.exit(0); });
