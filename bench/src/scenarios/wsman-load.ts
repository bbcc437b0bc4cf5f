import { readFileSync } from 'node:fs';
import { bitsClientJobClass, bitsNamespace } from '@carmine/cim';
import { sealFrame } from '../sealed-frame.ts';
import { soapRequest } from '../soap-request.ts';
import { LoadConnection } from './load-connection.ts';
import { cpuOfProcess } from './measure.ts';
import { ntlmLogon, plainType, post } from './ntlm-logon.ts';

/** The other end of the scenario `wsman`, a process of its own: asks over kept-alive connections as fast as it is answered. */

/** What it is told, as JSON in its only argument. */
export interface LoadOrder {
  readonly ports: { readonly http: number; readonly https: number };
  readonly user: string;
  readonly passwordFile: string;
  readonly trust: string;
  readonly jobId: string;
  /** Of the server, whose CPU time is read. */
  readonly pid: number;
  readonly connections: number;
  /** Somebody else has measured what needs no seal. */
  readonly sealedOnly: boolean;
  readonly rounds: number;
  /** Of one round. */
  readonly seconds: number;
}

/** What it prints, as a line of JSON, after each round of each case. */
export interface LoadRound {
  readonly name: string;
  readonly round: number;
  readonly requests: number;
  readonly seconds: number;
  /** CPU seconds of the server. */
  readonly cpu: number;
  /** Milliseconds. */
  readonly median: number;
  readonly p99: number;
}

const order = JSON.parse(process.argv[2] ?? '') as LoadOrder;
const { user, ports, jobId, pid, connections, rounds, seconds } = order;
const credentials = { user, password: readFileSync(order.passwordFile, 'utf8').trim() };
const trust = readFileSync(order.trust, 'utf8');
const to = `http://127.0.0.1:${ports.http}/wsman`;
const path = { namespace: bitsNamespace, className: bitsClientJobClass.name, keys: new Map([['JobId', jobId]]) };
const identify = await soapRequest(to, (client) => client.identify());
const get = await soapRequest(to, (client) => client.getInstance(path));

/** Asks once and looks at the status. */
type Ask = () => Promise<void>;
const overBasic = await Promise.all(Array.from({ length: connections }, basic));
const overNtlm = await Promise.all(Array.from({ length: connections }, sealed));
const all: readonly (readonly [string, readonly Ask[]])[] = [
  ['Identify, HTTPS with Basic', overBasic.map((ask) => ask(identify))],
  ['Identify, HTTP sealed with NTLM', overNtlm.map((ask) => ask(identify))],
  ['Get of a job, HTTPS with Basic', overBasic.map((ask) => ask(get))],
  ['Get of a job, HTTP sealed with NTLM', overNtlm.map((ask) => ask(get))],
];

const cases = all.filter(([name]) => !order.sealedOnly || name.includes('sealed'));

for (let round = 0; round <= rounds; round++) {
  for (const [name, asks] of cases) {
    // The first round warms both ends up; it does not count.
    const result = await run(asks, round === 0 ? seconds / 2 : seconds);
    if (round > 0) process.stdout.write(`${JSON.stringify({ name, round, ...result } satisfies LoadRound)}\n`);
  }
}
process.exit(0);

async function basic(): Promise<(body: Uint8Array) => Ask> {
  const connection = await LoadConnection.open(ports.https, trust);
  const authorization = `Basic ${Buffer.from(`${credentials.user}:${credentials.password}`).toString('base64')}`;
  return (body) => {
    const request = post(body, plainType, authorization);
    return async () => mustBe200(await connection.ask(request), '<s:Body>');
  };
}

/** Every request is sealed anew, as it must be; the answers' seals are not broken: their order and status are looked at. */
async function sealed(): Promise<(body: Uint8Array) => Ask> {
  const connection = await LoadConnection.open(ports.http, undefined);
  const context = await ntlmLogon(connection, credentials);
  return (body) => async () => {
    const frame = sealFrame(context, body);
    mustBe200(await connection.ask(post(frame.body, frame.contentType)), 'Encrypted Boundary');
  };
}

function mustBe200({ status, body }: { readonly status: number; readonly body: Uint8Array }, part: string): void {
  if (status !== 200 || !Buffer.from(body.buffer, body.byteOffset, body.length).includes(part))
    throw new Error(`status ${status} with ${body.length} octets`);
}

async function run(asks: readonly Ask[], duration: number): Promise<Omit<LoadRound, 'name' | 'round'>> {
  const latencies: number[] = [];
  const before = cpuOfProcess(pid);
  const started = performance.now();
  const end = started + duration * 1000;
  const worker = async (ask: Ask) => {
    for (let now = performance.now(); now < end; ) {
      await ask();
      const done = performance.now();
      latencies.push(done - now);
      now = done;
    }
  };
  await Promise.all(asks.map(worker));
  const taken = (performance.now() - started) / 1000;
  latencies.sort((a, b) => a - b);
  const at = (part: number) => latencies[Math.floor(latencies.length * part)] ?? 0;
  return {
    requests: latencies.length,
    seconds: taken,
    cpu: cpuOfProcess(pid) - before,
    median: at(0.5),
    p99: at(0.99),
  };
}
