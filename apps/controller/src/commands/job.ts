import { readPassword } from '@carmine/agent/node';
import {
  credentialSchemes,
  credentialTargets,
  type EndedJob,
  type JobAction,
  type JobSnapshot,
  jobPriorities,
  type ProxyUsage,
  serviceAccounts,
} from '@carmine/core';
import { formatHresult } from '@carmine/errors';
import { withMachine } from '../connect.ts';
import { endedJobDocument, endedJobTable, jobDocument, jobTable, jobText } from '../documents.ts';
import {
  type Call,
  type Command,
  choice,
  flag,
  invalid,
  positional,
  targetOptions,
  text,
  thumbprint,
  wholeNumber,
} from '../options.ts';
import { watchJobs } from '../watch.ts';

const string = { type: 'string' } as const;
const boolean = { type: 'boolean' } as const;

/** `carmine job …` */
export const jobCommands: readonly Command[] = [
  {
    words: ['job', 'create'],
    positionals: ['name', 'url', 'path'],
    options: {
      ...targetOptions,
      suspended: boolean,
      account: string,
      priority: string,
      upload: boolean,
      description: string,
    },
    summary: 'create a job with its first file',
    run: (call) =>
      withMachine(call, async ({ jobs }) => {
        const priority = choice(call, 'priority', jobPriorities);
        const suspended = flag(call, 'suspended');
        const jobId = await jobs.createJob(
          {
            displayName: positional(call, 'name'),
            remoteUrl: positional(call, 'url'),
            localFile: positional(call, 'path'),
            serviceAccount: choice(call, 'account', serviceAccounts),
            type: flag(call, 'upload') ? 'upload' : 'download',
            // A priority has to be there before the first byte moves.
            suspend: suspended || priority !== undefined,
            description: text(call, 'description'),
          },
          call,
        );
        if (priority !== undefined) {
          await jobs.modifyJob(jobId, { priority }, call);
          if (!suspended) await jobs.setJobState(jobId, 'resume', call);
        }
        call.output.result(jobId, { schema: 'carmine.job/1', id: jobId });
      }),
  },
  {
    words: ['job', 'add-file'],
    positionals: ['id', 'url', 'path'],
    options: targetOptions,
    summary: 'add a file to a job',
    run: (call) =>
      withMachine(call, async ({ jobs }) => {
        await jobs.addFile(jobId(call), positional(call, 'url'), positional(call, 'path'), call);
        call.output.result('', { schema: 'carmine.job/1', id: jobId(call) });
      }),
  },
  {
    words: ['job', 'list'],
    positionals: [],
    options: { ...targetOptions, ended: boolean },
    summary: 'list jobs, or those that have ended',
    run: (call) =>
      withMachine(call, ({ jobs }) =>
        flag(call, 'ended') ? listEnded(call, jobs.listEndedJobs(call)) : list(call, jobs.listJobs(call)),
      ),
  },
  {
    words: ['job', 'show'],
    positionals: ['id'],
    options: targetOptions,
    summary: 'show a job with its files',
    run: (call) =>
      withMachine(call, async ({ jobs }) => {
        const job = await jobs.getJob(jobId(call), call);
        call.output.result(jobText(job), jobDocument(job));
      }),
  },
  {
    words: ['job', 'set'],
    positionals: ['id'],
    options: {
      ...targetOptions,
      priority: string,
      name: string,
      description: string,
      'retry-delay': string,
      'no-progress-timeout': string,
      sha256: string,
    },
    summary: 'change a job',
    run: (call) =>
      withMachine(call, async ({ jobs }) => {
        const sha256 = text(call, 'sha256');
        if (sha256 !== undefined && !/^[0-9a-f]{64}$/i.test(sha256))
          throw invalid('--sha256 has 64 hexadecimal digits');
        await jobs.modifyJob(
          jobId(call),
          {
            displayName: text(call, 'name'),
            description: text(call, 'description'),
            priority: choice(call, 'priority', jobPriorities),
            minimumRetryDelay: wholeNumber(text(call, 'retry-delay'), '--retry-delay'),
            noProgressTimeout: wholeNumber(text(call, 'no-progress-timeout'), '--no-progress-timeout'),
          },
          call,
        );
        if (sha256 !== undefined)
          await jobs.modifyFileDetails(jobId(call), 0, { expectedSha256: sha256.toLowerCase() }, call);
        const job = await jobs.getJob(jobId(call), call);
        call.output.result('', jobDocument(job));
      }),
  },
  ...(['resume', 'suspend', 'complete', 'cancel'] as const).map(actionCommand),
  {
    words: ['job', 'watch'],
    positionals: ['id?'],
    options: { ...targetOptions, interval: string, timeout: string },
    summary: 'watch a job until it is transferred, in error or ended; without ID watch all',
    run: (call) => {
      let code = 0;
      return withMachine(call, async (machine) => {
        code = await watchJobs(call, machine, call.positionals.get('id'));
      }).then(() => code);
    },
  },
  {
    words: ['job', 'credentials'],
    positionals: ['id', 'action'],
    options: { ...targetOptions, target: string, scheme: string, user: string, 'user-password-file': string },
    summary: 'set or remove credentials of a job (ACTION: set or remove)',
    run: (call) =>
      withMachine(call, async ({ jobs }) => {
        const target = choice(call, 'target', credentialTargets) ?? 'server';
        const scheme = choice(call, 'scheme', credentialSchemes);
        if (scheme === undefined) throw invalid('--scheme is missing: basic, digest, ntlm or negotiate');
        if (action(call, ['set', 'remove']) === 'remove')
          await jobs.removeCredentials(jobId(call), target, scheme, call);
        else {
          const userName = text(call, 'user') ?? null;
          const password =
            userName === null
              ? null
              : await readPassword({ file: text(call, 'user-password-file'), prompt: `Password of ${userName}: ` });
          await jobs.setCredentials(jobId(call), { target, scheme, userName, password }, call);
        }
        call.output.result('', { schema: 'carmine.job/1', id: jobId(call) });
      }),
  },
  {
    words: ['job', 'certificate'],
    positionals: ['id', 'action'],
    options: { ...targetOptions, store: string, thumbprint: string, subject: string },
    summary: 'set or remove the client certificate of a job (ACTION: set or remove)',
    run: (call) =>
      withMachine(call, async ({ jobs }) => {
        if (action(call, ['set', 'remove']) === 'remove') await jobs.removeClientCertificate(jobId(call), call);
        else {
          const [hash, subject] = [text(call, 'thumbprint'), text(call, 'subject')];
          const store = text(call, 'store') ?? 'MY';
          if ((hash === undefined) === (subject === undefined))
            throw invalid('give --thumbprint SHA1 or --subject TEXT');
          await jobs.setClientCertificate(
            jobId(call),
            hash === undefined
              ? { by: 'name', location: 'localMachine', store, subject: subject ?? '' }
              : { by: 'hash', location: 'localMachine', store, hash: thumbprint(hash) },
            call,
          );
        }
        call.output.result('', { schema: 'carmine.job/1', id: jobId(call) });
      }),
  },
  {
    words: ['job', 'proxy'],
    positionals: ['id', 'usage'],
    options: { ...targetOptions, list: string, bypass: string },
    summary: 'set the proxy of a job (USAGE: preconfig, none, override or autodetect)',
    run: (call) =>
      withMachine(call, async ({ jobs }) => {
        const usages: Record<string, ProxyUsage> = {
          preconfig: 'preconfig',
          none: 'noProxy',
          override: 'override',
          autodetect: 'autodetect',
        };
        const usage = usages[positional(call, 'usage')];
        if (usage === undefined) throw invalid(`USAGE is one of ${Object.keys(usages).join(', ')}`);
        await jobs.setProxySettings(
          jobId(call),
          { usage, proxyList: text(call, 'list') ?? null, bypassList: text(call, 'bypass') ?? null },
          call,
        );
        call.output.result('', { schema: 'carmine.job/1', id: jobId(call) });
      }),
  },
  {
    words: ['job', 'error'],
    positionals: ['id'],
    options: targetOptions,
    summary: 'tell why a job is in error',
    run: (call) =>
      withMachine(call, async ({ jobs }) => {
        const report = await jobs.getError(jobId(call), 0x0409, call);
        const code = formatHresult(report.code);
        call.output.result(`${code}  ${report.errorDescription}\n${report.context}  ${report.contextDescription}`, {
          schema: 'carmine.job-error/1',
          id: jobId(call),
          code,
          context: report.context,
          contextDescription: report.contextDescription,
          errorDescription: report.errorDescription,
        });
      }),
  },
];

function actionCommand(verb: JobAction): Command {
  return {
    words: ['job', verb],
    positionals: ['id'],
    options: targetOptions,
    summary: `${verb} a job`,
    run: (call) =>
      withMachine(call, async ({ jobs }) => {
        const result = await jobs.setJobState(jobId(call), verb, call);
        if (result === 0x0020_0017)
          call.output.message('carmine: only part of the files was complete; the others were dropped [0x00200017]');
        else if (result !== 0) call.output.message(`carmine: done, with information [${formatHresult(result)}]`);
        call.output.result('', { schema: 'carmine.job/1', id: jobId(call), result: formatHresult(result) });
      }),
  };
}

async function list(call: Call, source: AsyncIterable<JobSnapshot>): Promise<void> {
  const jobs: JobSnapshot[] = [];
  for await (const job of source) {
    call.output.element(jobDocument(job));
    jobs.push(job);
  }
  if (call.output.format !== 'ndjson')
    call.output.result(jobTable(jobs), { schema: 'carmine.job-list/1', jobs: jobs.map(jobDocument) });
}

async function listEnded(call: Call, source: AsyncIterable<EndedJob>): Promise<void> {
  const jobs: EndedJob[] = [];
  for await (const job of source) {
    call.output.element(endedJobDocument(job));
    jobs.push(job);
  }
  if (call.output.format !== 'ndjson') {
    call.output.result(endedJobTable(jobs), { schema: 'carmine.ended-job-list/1', jobs: jobs.map(endedJobDocument) });
  }
}

/** Braces are optional: shells make them awkward. */
function jobId(call: Call): string {
  const id = positional(call, 'id');
  return /^[0-9a-f-]{36}$/i.test(id) ? `{${id.toUpperCase()}}` : id;
}

function action<T extends string>(call: Call, choices: readonly T[]): T {
  const given = positional(call, 'action');
  const found = choices.find((candidate) => candidate === given);
  if (found === undefined) throw invalid(`ACTION is one of ${choices.join(', ')}`);
  return found;
}
