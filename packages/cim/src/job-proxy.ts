import {
  type CallOptions,
  certificateStoreLocations,
  credentialSchemes,
  credentialTargets,
  errorContexts,
  type JobErrorContext,
  type JobExtensions,
  type JobFile,
  type JobPriority,
  type JobProvider,
  type JobSnapshot,
  type JobState,
  jobActions,
  jobPriorities,
  jobStates,
  jobTypes,
  proxyUsages,
  serviceAccounts,
  type TransferPhase,
  transferPhases,
} from '@carmine/core';
import { CarmineError, isCarmineError } from '@carmine/errors';
import { bitsNamespace } from './bits-classes.ts';
import { carmineNamespace } from './carmine-classes.ts';
import type { CimInstance, CimValue } from './model.ts';
import {
  asBigint,
  asNullableText,
  asNumber,
  asText,
  type Caller,
  type CallParameters,
  extensionError,
  indexOf,
  nameOf,
  notFound,
  pathTo,
} from './proxy-calls.ts';
import { isInstance } from './values.ts';

export type JobProxy = JobProvider & JobExtensions & Required<Pick<JobProvider, 'watchJob'>>;

/** Jobs of a machine, by CIM calls. */
export function jobProxy(caller: Caller): JobProxy {
  const { cim } = caller;
  const classPath = pathTo(bitsNamespace, 'BitsClientJob');
  const jobPath = (jobId: string) => pathTo(bitsNamespace, 'BitsClientJob', { JobId: jobId });
  const filePath = (jobId: string, fileIndex: number) =>
    pathTo(carmineNamespace, 'CarmineJobFile', { JobId: jobId, FileIndex: fileIndex });
  const act = (jobId: string, method: string, parameters: CallParameters, options?: CallOptions) =>
    notFound(caller.act(jobPath(jobId), method, parameters, options), () => noJob(jobId));
  return {
    async *listJobs(options) {
      for await (const instance of cim.enumerateInstances(bitsNamespace, 'BitsClientJob', options))
        yield instanceToJob(instance);
    },
    async getJob(jobId, options) {
      return instanceToJob(await notFound(cim.getInstance(jobPath(jobId), options), () => noJob(jobId)));
    },
    async createJob(p, options) {
      const done = await caller.invoke(
        classPath,
        'CreateJob',
        {
          DisplayName: p.displayName,
          RemoteUrl: p.remoteUrl,
          LocalFile: p.localFile,
          ServiceAccount: indexOf(serviceAccounts, p.serviceAccount),
          Type: indexOf(jobTypes, p.type),
          Suspend: p.suspend,
          Description: p.description,
        },
        options,
      );
      const jobId = done.out.get('JobId');
      if (typeof jobId !== 'string')
        throw new CarmineError('wsman/unexpected', { context: { reason: 'CreateJob gave no JobId' } });
      return jobId;
    },
    addFile: (jobId, remoteUrl, localFile, options) =>
      act(jobId, 'AddFile', { RemoteUrl: remoteUrl, LocalFile: localFile }, options),
    setJobState: (jobId, action, options) =>
      act(jobId, 'SetJobState', { JobState: jobActions.indexOf(action) }, options),
    async modifyJob(jobId, changes, options) {
      const values = new Map<string, CimValue>();
      if (changes.displayName !== undefined) values.set('DisplayName', changes.displayName);
      if (changes.description !== undefined) values.set('Description', changes.description);
      if (changes.priority !== undefined) values.set('Priority', jobPriorities.indexOf(changes.priority));
      if (changes.minimumRetryDelay !== undefined) values.set('MinimumRetryDelay', changes.minimumRetryDelay);
      if (changes.noProgressTimeout !== undefined) values.set('NoProgressTimeout', changes.noProgressTimeout);
      await notFound(cim.modifyInstance(jobPath(jobId), values, options), () => noJob(jobId));
    },
    setCredentials: (jobId, c, options) =>
      act(
        jobId,
        'SetCredentials',
        {
          Target: credentialTargets.indexOf(c.target),
          Scheme: credentialSchemes.indexOf(c.scheme),
          UserName: c.userName,
          Password: c.password,
        },
        options,
      ),
    removeCredentials: (jobId, target, scheme, options) =>
      act(
        jobId,
        'RemoveCredentials',
        { Target: credentialTargets.indexOf(target), Scheme: credentialSchemes.indexOf(scheme) },
        options,
      ),
    async getError(jobId, languageId, options) {
      const call = caller.invoke(jobPath(jobId), 'GetError', { LanguageId: languageId }, options);
      const { out } = await notFound(call, () => noJob(jobId));
      return {
        context: nameOf<JobErrorContext>(errorContexts, out.get('ErrorContext'), 'ErrorContext'),
        code: Number(out.get('ErrorCode') ?? 0) >>> 0,
        contextDescription: asText(out.get('ContextDescription')),
        errorDescription: asText(out.get('ErrorDescription')),
      };
    },
    setClientCertificate: (jobId, c, options) =>
      c.by === 'name'
        ? act(
            jobId,
            'SetClientCertificateByName',
            {
              CertStoreLocation: certificateStoreLocations.indexOf(c.location),
              StoreName: c.store,
              SubjectName: c.subject,
            },
            options,
          )
        : act(
            jobId,
            'SetClientCertificateById',
            { CertStoreLocation: certificateStoreLocations.indexOf(c.location), StoreName: c.store, CertHash: c.hash },
            options,
          ),
    removeClientCertificate: (jobId, options) => act(jobId, 'RemoveClientCertificate', {}, options),
    setProxySettings: (jobId, s, options) =>
      act(
        jobId,
        'SetProxySettings',
        {
          ProxyUsage: proxyUsages.indexOf(s.usage),
          ProxyList: s.proxyList ?? undefined,
          ProxyBypassList: s.bypassList ?? undefined,
        },
        options,
      ),
    async watchJob(jobId, options) {
      // The id goes into a query: nothing but an id may.
      if (!/^\{[0-9A-Fa-f-]{36}\}$/.test(jobId)) throw noJob(jobId);
      const query = `SELECT * FROM __InstanceOperationEvent WITHIN 0.5 WHERE TargetInstance ISA 'BitsClientJob' AND TargetInstance.JobId = '${jobId}'`;
      return jobChanges(await cim.subscribe(bitsNamespace, query, options));
    },
    async *listEndedJobs(options) {
      try {
        for await (const { properties: p } of cim.enumerateInstances(carmineNamespace, 'CarmineEndedJob', options)) {
          yield {
            jobId: asText(p.get('JobId')),
            displayName: asText(p.get('DisplayName')),
            description: asText(p.get('Description')),
            state: Number(p.get('State')) === jobStates.indexOf('acknowledged') ? 'acknowledged' : 'cancelled',
            owner: asText(p.get('Owner')),
            filesTotal: asNumber(p.get('FilesTotal')),
            filesTransferred: asNumber(p.get('FilesTransferred')),
            bytesTotal: asBigint(p.get('BytesTotal')),
            bytesTransferred: asBigint(p.get('BytesTransferred')),
            jobCreationTime: asBigint(p.get('JobCreationTime')),
            endTime: asBigint(p.get('EndTime')),
            reason: asText(p.get('Reason')),
            lastError: asNumber(p.get('LastError')),
          };
        }
      } catch (error) {
        throw extensionError(error, 'list ended jobs');
      }
    },
    async getFileDetails(jobId, fileIndex, options) {
      try {
        const { properties: p } = await cim.getInstance(filePath(jobId, fileIndex), options);
        return {
          jobId: asText(p.get('JobId')),
          fileIndex: asNumber(p.get('FileIndex')),
          sha256: asNullableText(p.get('Sha256')),
          expectedSha256: asNullableText(p.get('ExpectedSha256')),
          computeSha256: p.get('ComputeSha256') === true,
          phase: transferPhases.find((phase) => phase === p.get('Phase')) ?? ('queued' satisfies TransferPhase),
          waitReason: asText(p.get('WaitReason')),
          nextAttempt: asBigint(p.get('NextAttempt')),
        };
      } catch (error) {
        throw isCarmineError(error, 'cim/not-found') ? noJob(jobId) : extensionError(error, 'tell details of files');
      }
    },
    async modifyFileDetails(jobId, fileIndex, changes, options) {
      const values = new Map<string, CimValue>();
      if (changes.expectedSha256 !== undefined) values.set('ExpectedSha256', changes.expectedSha256);
      if (changes.computeSha256 !== undefined) values.set('ComputeSha256', changes.computeSha256);
      try {
        await cim.modifyInstance(filePath(jobId, fileIndex), values, options);
      } catch (error) {
        throw isCarmineError(error, 'cim/not-found') ? noJob(jobId) : extensionError(error, 'compute digests');
      }
    },
  };
}

/** Snapshots out of events, until the job is deleted. No generator: leaving one has to wait for what it waits for. */
function jobChanges(events: AsyncIterable<CimInstance>): AsyncIterableIterator<JobSnapshot> {
  const iterator = events[Symbol.asyncIterator]();
  const end = async (): Promise<IteratorResult<JobSnapshot>> => {
    await iterator.return?.();
    return { done: true, value: undefined };
  };
  return {
    async next() {
      const next = await iterator.next();
      if (next.done === true) return { done: true, value: undefined };
      const target = next.value.properties.get('TargetInstance') ?? null;
      if (next.value.className === '__InstanceDeletionEvent' || !isInstance(target)) return end();
      return { done: false, value: instanceToJob(target) };
    },
    return: end,
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

function instanceToJob({ properties: p }: CimInstance): JobSnapshot {
  const files = p.get('Files');
  return {
    jobId: asText(p.get('JobId')),
    displayName: asText(p.get('DisplayName')),
    description: asText(p.get('Description')),
    priority: nameOf<JobPriority>(jobPriorities, p.get('Priority'), 'Priority'),
    minimumRetryDelay: asNumber(p.get('MinimumRetryDelay')),
    noProgressTimeout: asNumber(p.get('NoProgressTimeout')),
    files: Array.isArray(files) ? (files as CimValue[]).filter(isInstance).map(instanceToFile) : [],
    jobCreationTime: asBigint(p.get('JobCreationTime')),
    jobLastModificationTime: asBigint(p.get('JobLastModificationTime')),
    jobCompletionTime: asBigint(p.get('JobCompletionTime')),
    bytesTotal: asBigint(p.get('BytesTotal')),
    bytesTransferred: asBigint(p.get('BytesTransferred')),
    filesTotal: asNumber(p.get('FilesTotal')),
    filesTransferred: asNumber(p.get('FilesTransferred')),
    transientErrorCount: asNumber(p.get('TransientErrorCount')),
    state: nameOf<JobState>(jobStates, p.get('State'), 'State'),
    owner: asText(p.get('Owner')),
  };
}

function instanceToFile({ properties: p }: CimInstance): JobFile {
  return {
    remoteUrl: asText(p.get('RemoteUrl')),
    localFile: asText(p.get('LocalFile')),
    bytesTotal: asBigint(p.get('BytesTotal')),
    bytesTransferred: asBigint(p.get('BytesTransferred')),
    completed: p.get('Completed') === true,
  };
}

function noJob(jobId: string): CarmineError {
  return new CarmineError('job/not-found', { context: { jobId } });
}
