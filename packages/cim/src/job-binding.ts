import {
  certificateStoreLocations,
  credentialSchemes,
  credentialTargets,
  errorContexts,
  type JobFile,
  type JobProvider,
  type JobSnapshot,
  jobActions,
  jobPriorities,
  jobStates,
  jobTypes,
  proxyUsages,
  serviceAccounts,
} from '@carmine/core';
import { CarmineError } from '@carmine/errors';
import {
  bytes,
  type ClassBinding,
  integer,
  optionalBoolean,
  optionalInteger,
  optionalText,
  result,
  text,
  type Values,
} from './binding.ts';
import { bitsClientJobClass, bitsNamespace } from './bits-classes.ts';
import type { CimInstance, CimValue } from './model.ts';

/** Serves BitsClientJob with a JobProvider. */
export function bindJobs(jobs: JobProvider): ClassBinding {
  const jobId = (keys: Values) => text(keys, 'JobId');
  const watch = jobs.watch?.bind(jobs);
  return {
    ...(watch === undefined ? {} : { watch }),
    cls: bitsClientJobClass,
    async get(keys, options) {
      return jobToValues(await jobs.getJob(jobId(keys), options));
    },
    async *enumerate(options) {
      for await (const job of jobs.listJobs(options)) yield jobToValues(job);
    },
    modify: (keys, changes, options) =>
      jobs.modifyJob(
        jobId(keys),
        {
          displayName: optionalText(changes, 'DisplayName'),
          description: optionalText(changes, 'Description'),
          priority: pickOptional(jobPriorities, changes, 'Priority'),
          minimumRetryDelay: optionalInteger(changes, 'MinimumRetryDelay'),
          noProgressTimeout: optionalInteger(changes, 'NoProgressTimeout'),
        },
        options,
      ),
    methods: {
      CreateJob: async (_keys, p, options) => {
        const id = await jobs.createJob(
          {
            displayName: text(p, 'DisplayName'),
            remoteUrl: text(p, 'RemoteUrl'),
            localFile: text(p, 'LocalFile'),
            serviceAccount: pickOptional(serviceAccounts, p, 'ServiceAccount'),
            type: pickOptional(jobTypes, p, 'Type'),
            suspend: optionalBoolean(p, 'Suspend'),
            description: optionalText(p, 'Description'),
          },
          options,
        );
        return result(0, { JobId: id });
      },
      AddFile: async (keys, p, options) =>
        result(await jobs.addFile(jobId(keys), text(p, 'RemoteUrl'), text(p, 'LocalFile'), options)),
      SetJobState: async (keys, p, options) =>
        result(await jobs.setJobState(jobId(keys), pick(jobActions, p, 'JobState'), options)),
      SetCredentials: async (keys, p, options) =>
        result(
          await jobs.setCredentials(
            jobId(keys),
            {
              target: pickAuth(credentialTargets, p, 'Target'),
              scheme: pickAuth(credentialSchemes, p, 'Scheme'),
              userName: optionalText(p, 'UserName') ?? null,
              password: optionalText(p, 'Password') ?? null,
            },
            options,
          ),
        ),
      RemoveCredentials: async (keys, p, options) =>
        result(
          await jobs.removeCredentials(
            jobId(keys),
            pickAuth(credentialTargets, p, 'Target'),
            pickAuth(credentialSchemes, p, 'Scheme'),
            options,
          ),
        ),
      GetError: async (keys, p, options) => {
        const report = await jobs.getError(jobId(keys), integer(p, 'LanguageId'), options);
        return result(0, {
          ErrorContext: errorContexts.indexOf(report.context),
          ErrorCode: report.code,
          ContextDescription: report.contextDescription,
          ErrorDescription: report.errorDescription,
        });
      },
      SetClientCertificateByName: async (keys, p, options) =>
        result(
          await jobs.setClientCertificate(
            jobId(keys),
            {
              by: 'name',
              location: pick(certificateStoreLocations, p, 'CertStoreLocation'),
              store: text(p, 'StoreName'),
              subject: text(p, 'SubjectName'),
            },
            options,
          ),
        ),
      SetClientCertificateById: async (keys, p, options) =>
        result(
          await jobs.setClientCertificate(
            jobId(keys),
            {
              by: 'hash',
              location: pick(certificateStoreLocations, p, 'CertStoreLocation'),
              store: text(p, 'StoreName'),
              hash: bytes(p, 'CertHash'),
            },
            options,
          ),
        ),
      RemoveClientCertificate: async (keys, _p, options) =>
        result(await jobs.removeClientCertificate(jobId(keys), options)),
      SetProxySettings: async (keys, p, options) =>
        result(
          await jobs.setProxySettings(
            jobId(keys),
            {
              usage: pick(proxyUsages, p, 'ProxyUsage'),
              proxyList: optionalText(p, 'ProxyList') ?? null,
              bypassList: optionalText(p, 'ProxyBypassList') ?? null,
            },
            options,
          ),
        ),
    },
  };
}

function jobToValues(job: JobSnapshot): Values {
  return new Map<string, CimValue>([
    ['JobId', job.jobId],
    ['DisplayName', job.displayName],
    ['Description', job.description],
    ['Priority', jobPriorities.indexOf(job.priority)],
    ['MinimumRetryDelay', job.minimumRetryDelay],
    ['NoProgressTimeout', job.noProgressTimeout],
    ['Files', job.files.map(fileToInstance)],
    ['JobCreationTime', job.jobCreationTime],
    ['JobLastModificationTime', job.jobLastModificationTime],
    ['JobCompletionTime', job.jobCompletionTime],
    ['BytesTotal', job.bytesTotal],
    ['BytesTransferred', job.bytesTransferred],
    ['FilesTotal', job.filesTotal],
    ['FilesTransferred', job.filesTransferred],
    ['TransientErrorCount', job.transientErrorCount],
    ['State', jobStates.indexOf(job.state)],
    ['Owner', job.owner],
  ]);
}

function fileToInstance(file: JobFile): CimInstance {
  return {
    namespace: bitsNamespace,
    className: 'BitsClientFile',
    properties: new Map<string, CimValue>([
      ['RemoteUrl', file.remoteUrl],
      ['LocalFile', file.localFile],
      ['BytesTotal', file.bytesTotal],
      ['BytesTransferred', file.bytesTransferred],
      ['Completed', file.completed],
    ]),
  };
}

/** The name behind an enumeration value; outside the enumeration is E_INVALIDARG. */
function pick<T extends string>(names: readonly T[], values: Values, parameter: string): T {
  const name = names[integer(values, parameter)];
  if (name === undefined) {
    throw new CarmineError('job/invalid-argument', {
      context: { name: parameter, reason: `0 to ${names.length - 1} are allowed` },
    });
  }
  return name;
}

function pickOptional<T extends string>(names: readonly T[], values: Values, parameter: string): T | undefined {
  return optionalInteger(values, parameter) === undefined ? undefined : pick(names, values, parameter);
}

/** Credentials have their own codes for bad values: BG_E_INVALID_AUTH_TARGET and …_SCHEME. */
function pickAuth<T extends string>(names: readonly T[], values: Values, parameter: 'Target' | 'Scheme'): T {
  const value = integer(values, parameter);
  const name = names[value];
  if (name !== undefined) return name;
  throw parameter === 'Target'
    ? new CarmineError('job/invalid-auth-target', { context: { target: value } })
    : new CarmineError('job/invalid-auth-scheme', { context: { scheme: value } });
}
