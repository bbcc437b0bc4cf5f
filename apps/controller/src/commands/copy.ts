import { randomBytes } from 'node:crypto';
import { readPassword } from '@carmine/agent/node';
import { type CopyProgress, copyFile, type FetchAs } from '@carmine/controller';
import { jobPriorities } from '@carmine/core';
import { connect } from '../connect.ts';
import { logonFor, type MachineLogon } from '../logon.ts';
import {
  type Call,
  type Command,
  choice,
  flag,
  invalid,
  logonOptions,
  outputOptions,
  positional,
  text,
  wholeNumber,
} from '../options.ts';
import { formatBytes, formatDuration } from '../output.ts';
import { ProgressDisplay } from '../progress.ts';
import { parseFileTarget } from '../target.ts';
import { stderrSink } from '../terminal.ts';
import { sleep } from '../time.ts';

const string = { type: 'string' } as const;

/** The options of one end; stdin is there once only. */
const endOptions = (end: 'source' | 'destination') => ({
  [`${end}-auth`]: string,
  [`${end}-password-file`]: string,
  [`${end}-keytab`]: string,
  [`${end}-client-certificate`]: string,
  [`${end}-client-certificate-key`]: string,
});

/** `carmine copy SOURCE DESTINATION` */
export const copyCommand: Command = {
  words: ['copy'],
  positionals: ['source', 'destination'],
  options: {
    ...outputOptions,
    'url-group': string,
    priority: string,
    sha256: string,
    'keep-url': { type: 'boolean' },
    'fetch-as': string,
    'fetch-password-file': string,
    'fetch-as-agent': { type: 'boolean' },
    ...endOptions('source'),
    ...endOptions('destination'),
    ...logonOptions,
    trust: { type: 'string', multiple: true },
    timeout: string,
  },
  summary: 'copy a file from one machine to another',
  run: copy,
};

async function copy(call: Call): Promise<number> {
  const source = parseFileTarget(positional(call, 'source'));
  const destination = parseFileTarget(positional(call, 'destination'));
  const sha256 = text(call, 'sha256')?.toLowerCase();
  if (sha256 !== undefined && !/^[0-9a-f]{64}$/.test(sha256)) throw invalid('--sha256 has 64 hexadecimal digits');
  const priority = choice(call, 'priority', jobPriorities);
  const timeout = wholeNumber(text(call, 'timeout'), '--timeout');
  const sourceLogon = await logonFor(call, source, 'source');
  const destinationLogon = await logonFor(call, destination, 'destination');
  const fetchAs = await fetchCredentials(call, sourceLogon);
  const from = await connect(call, source, sourceLogon);
  const to = await connect(call, destination, destinationLogon);
  const display = new ProgressDisplay(stderrSink());
  const started = performance.now();
  try {
    const result = await copyFile({
      source: {
        name: source.name,
        urlGroups: from.urlGroups,
        accounts: from.accounts,
        host: source.host,
        path: source.path,
      },
      destination: { name: destination.name, jobs: to.jobs, path: destination.path },
      environment: { now: () => Date.now(), sleep, randomBytes: (length) => new Uint8Array(randomBytes(length)) },
      urlGroup: text(call, 'url-group') ?? 'https://+:8443/carmine',
      fetchAs,
      priority,
      sha256,
      keepUrl: flag(call, 'keep-url'),
      timeout,
      signal: call.signal,
      onProgress: (progress) => {
        display.show(progress);
        call.output.element(progressDocument(progress));
      },
    });
    display.end();
    const seconds = (performance.now() - started) / 1000;
    for (const left of result.leftovers) call.output.message(`carmine: could not be cleaned up: ${left}`);
    const compared = result.verifiedAgainst.map((with_) => (with_ === 'argument' ? '--sha256' : 'the source'));
    const verified =
      compared.length === 0
        ? 'not verified: a machine without digests took part'
        : `SHA-256 ${result.sha256}, the same as ${compared.join(' and ')}`;
    const rate = seconds > 0 ? `, ${formatBytes(Math.round(Number(result.bytes) / seconds))}/s` : '';
    call.output.message(
      `copied ${formatBytes(result.bytes)} in ${formatDuration(Math.round(seconds))}${rate}; ${verified}`,
    );
    call.output.result('', {
      schema: 'carmine.copy/1',
      source: `${source.name}${source.path}`,
      destination: `${destination.name}${destination.path}`,
      jobId: result.jobId,
      url: result.url,
      bytes: result.bytes,
      sha256: result.sha256,
      verifiedAgainst: result.verifiedAgainst,
      seconds: Math.round(seconds * 1000) / 1000,
      leftovers: result.leftovers,
    });
    return 0;
  } finally {
    display.end();
    await Promise.all([from.close(), to.close()]);
  }
}

/** Who the client authenticates as at the source: the source's own user unless told otherwise. */
async function fetchCredentials(call: Call, { account }: MachineLogon): Promise<FetchAs> {
  const user = text(call, 'fetch-as');
  const file = text(call, 'fetch-password-file');
  if (flag(call, 'fetch-as-agent')) {
    if (file !== undefined) throw invalid('--fetch-as-agent and --fetch-password-file exclude each other');
    return { kind: 'agent', user };
  }
  if (user !== undefined)
    return { kind: 'password', user, password: await readPassword({ file, prompt: `Password of ${user}: ` }) };
  if (account !== undefined) return { kind: 'password', ...account };
  throw invalid(
    'the source is managed without a password that the job could be given: name somebody with --fetch-as USER, or --fetch-as-agent where the client agent has a principal of its own',
  );
}

function progressDocument(progress: CopyProgress) {
  return {
    schema: 'carmine.progress/1' as const,
    phase: progress.phase,
    bytesTransferred: progress.bytesTransferred,
    bytesTotal: progress.bytesTotal ?? null,
    jobId: progress.jobId ?? null,
    ...(progress.reason === undefined ? {} : { reason: progress.reason }),
    ...(progress.nextAttempt === undefined ? {} : { nextAttempt: new Date(progress.nextAttempt).toISOString() }),
  };
}
