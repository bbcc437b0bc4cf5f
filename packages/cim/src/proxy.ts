import {
  type AccountDirectory,
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
  type SuccessCode,
  serviceAccounts,
  type TransferPhase,
  transferPhases,
  type UrlGroupExtensions,
  type UrlGroupProvider,
  urlGroupSchemes,
  urlGroupStates,
} from '@carmine/core';
import { CarmineError, errorFromHresult, isCarmineError, isFailure } from '@carmine/errors';
import { bitsNamespace } from './bits-classes.ts';
import { accountNamespace, carmineNamespace } from './carmine-classes.ts';
import type { CimInstance, CimOperations, CimValue, MethodResult, ObjectPath } from './model.ts';
import { isInstance } from './values.ts';

/** What a controller holds of one machine: the same interfaces that the engines implement. */
export interface MachineProxy {
  readonly jobs: JobProvider & JobExtensions & Required<Pick<JobProvider, 'watchJob'>>;
  readonly urlGroups: UrlGroupProvider & UrlGroupExtensions;
  readonly accounts: AccountDirectory;
}

/** Turns provider calls into CIM calls. A failure in a return value becomes the CarmineError of that HRESULT. */
export function createProxy(cim: CimOperations): MachineProxy {
  const caller = new Caller(cim);
  return { jobs: jobProxy(caller), urlGroups: urlGroupProxy(caller), accounts: accountProxy(cim) };
}

type Parameters = Record<string, CimValue | undefined>;

class Caller {
  readonly cim: CimOperations;

  constructor(cim: CimOperations) {
    this.cim = cim;
  }

  async invoke(path: ObjectPath, method: string, parameters: Parameters, options?: CallOptions): Promise<MethodResult> {
    const given = new Map<string, CimValue>();
    for (const [name, value] of Object.entries(parameters)) if (value !== undefined) given.set(name, value);
    const done = await this.cim.invokeMethod(path, method, given, options);
    if (isFailure(done.returnValue)) throw errorFromHresult(done.returnValue, method);
    return done;
  }

  async act(path: ObjectPath, method: string, parameters: Parameters, options?: CallOptions): Promise<SuccessCode> {
    return (await this.invoke(path, method, parameters, options)).returnValue;
  }
}

function jobProxy(caller: Caller): MachineProxy['jobs'] {
  const { cim } = caller;
  const classPath = pathTo(bitsNamespace, 'BitsClientJob');
  const jobPath = (jobId: string) => pathTo(bitsNamespace, 'BitsClientJob', { JobId: jobId });
  const filePath = (jobId: string, fileIndex: number) =>
    pathTo(carmineNamespace, 'CarmineJobFile', { JobId: jobId, FileIndex: fileIndex });
  const act = (jobId: string, method: string, parameters: Parameters, options?: CallOptions) =>
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

function urlGroupProxy(caller: Caller): UrlGroupProvider & UrlGroupExtensions {
  const { cim } = caller;
  const classPath = pathTo(bitsNamespace, 'BitsCompactServerUrlGroup');
  const groupPath = (prefix: string) => pathTo(bitsNamespace, 'BitsCompactServerUrlGroup', { UrlGroup: prefix });
  const invoke = (prefix: string, method: string, parameters: Parameters, options?: CallOptions) =>
    notFound(caller.invoke(groupPath(prefix), method, parameters, options), () => noGroup(prefix));
  const act = async (prefix: string, method: string, parameters: Parameters, options?: CallOptions) =>
    (await invoke(prefix, method, parameters, options)).returnValue;
  return {
    async *listUrlGroups(options) {
      for await (const { properties } of cim.enumerateInstances(bitsNamespace, 'BitsCompactServerUrlGroup', options)) {
        yield asText(properties.get('UrlGroup'));
      }
    },
    async getUrlGroup(prefix, options) {
      const { properties } = await notFound(cim.getInstance(groupPath(prefix), options), () => noGroup(prefix));
      return asText(properties.get('UrlGroup'));
    },
    createUrlGroup: (prefix, options) => caller.act(classPath, 'CreateUrlGroup', { UrlGroup: prefix }, options),
    deleteUrlGroup: (prefix, options) => caller.act(classPath, 'DeleteUrlGroup', { UrlGroup: prefix }, options),
    createUrl: (prefix, p, options) =>
      act(
        prefix,
        'CreateUrl',
        {
          UrlSuffix: p.urlSuffix,
          SourceFilePath: p.sourceFilePath,
          SDDLAuth: p.sddlAuth,
          CertificateHashAccessCheck: p.certificateHashAccessCheck ?? undefined,
        },
        options,
      ),
    async checkUrl(prefix, urlSuffix, options) {
      return (await invoke(prefix, 'CheckUrl', { UrlSuffix: urlSuffix }, options)).out.get('UrlExists') === true;
    },
    deleteUrl: (prefix, urlSuffix, options) => act(prefix, 'DeleteUrl', { UrlSuffix: urlSuffix }, options),
    setUrlGroupAuthentication: (prefix, scheme, enable, options) =>
      act(prefix, 'SetUrlGroupAuthentication', { Scheme: urlGroupSchemes.indexOf(scheme), Enable: enable }, options),
    async getUrlGroupAuthentication(prefix, scheme, options) {
      const parameters = { Scheme: urlGroupSchemes.indexOf(scheme) };
      return (await invoke(prefix, 'GetUrlGroupAuthentication', parameters, options)).out.get('Enable') === true;
    },
    setProperty: (prefix, property, value, options) =>
      act(prefix, 'SetProperty', { Property: property, Value: value }, options),
    async getProperty(prefix, property, options) {
      return asNumber((await invoke(prefix, 'GetProperty', { Property: property }, options)).out.get('Value'));
    },
    setSslCertificate: (port, binding, options) =>
      caller.act(
        classPath,
        'SetSslCertificate',
        { Port: port, StoreName: binding.storeName, hashBlob: binding.hash },
        options,
      ),
    async getSslCertificate(port, options) {
      const { out } = await caller.invoke(classPath, 'GetSslCertificate', { Port: port }, options);
      const hash = out.get('hashBlob');
      return { storeName: asText(out.get('StoreName')), hash: hash instanceof Uint8Array ? hash : new Uint8Array() };
    },
    removeSslCertificate: (port, options) => caller.act(classPath, 'RemoveSslCertificate', { Port: port }, options),
    async *listTransfers(options) {
      try {
        for await (const { properties: p } of cim.enumerateInstances(carmineNamespace, 'CarmineTransfer', options)) {
          yield {
            transferId: asNumber(p.get('TransferId')),
            urlGroup: asText(p.get('UrlGroup')),
            urlSuffix: asText(p.get('UrlSuffix')),
            identity: asText(p.get('Identity')),
            source: asText(p.get('Source')),
            range: asNullableText(p.get('Range')),
            length: asBigint(p.get('Length')),
            bytesSent: asBigint(p.get('BytesSent')),
            startTime: asBigint(p.get('StartTime')),
          };
        }
      } catch (error) {
        throw extensionError(error, 'tell its transfers');
      }
    },
    async getUrlGroupDetails(prefix, options) {
      try {
        const path = pathTo(carmineNamespace, 'CarmineUrlGroup', { UrlGroup: prefix });
        const { properties: p } = await cim.getInstance(path, options);
        return {
          urlGroup: asText(p.get('UrlGroup')),
          // A state that a later version may know is no reason to think the worst.
          state: urlGroupStates.find((state) => state === p.get('State')) ?? 'listening',
          urlCount: asNumber(p.get('UrlCount')),
        };
      } catch (error) {
        throw isCarmineError(error, 'cim/not-found')
          ? noGroup(prefix)
          : extensionError(error, 'tell details of URL groups');
      }
    },
    async getUrlDetails(prefix, urlSuffix, options) {
      try {
        const path = pathTo(carmineNamespace, 'CarmineUrl', { UrlGroup: prefix, UrlSuffix: urlSuffix });
        const { properties: p } = await cim.getInstance(path, options);
        return {
          urlGroup: asText(p.get('UrlGroup')),
          urlSuffix: asText(p.get('UrlSuffix')),
          length: asBigint(p.get('Length')),
          sha256: asNullableText(p.get('Sha256')),
        };
      } catch (error) {
        if (isCarmineError(error, 'cim/not-found'))
          throw new CarmineError('url/not-found', { context: { suffix: urlSuffix } });
        throw extensionError(error, 'tell details of URLs');
      }
    },
  };
}

function accountProxy(cim: CimOperations): AccountDirectory {
  const toAccount = ({ properties: p }: CimInstance) => ({
    domain: asText(p.get('Domain')),
    name: asText(p.get('Name')),
    sid: asText(p.get('SID')),
  });
  return {
    async *listAccounts(options) {
      for await (const instance of cim.enumerateInstances(accountNamespace, 'Win32_UserAccount', options))
        yield toAccount(instance);
    },
    async lookUpAccount(name, options) {
      const [, domain, user = name] = /^([^\\]+)\\(.*)$/.exec(name) ?? [];
      if (domain !== undefined) {
        return toAccount(
          await cim.getInstance(pathTo(accountNamespace, 'Win32_UserAccount', { Domain: domain, Name: user }), options),
        );
      }
      // Without a domain a key look-up is not possible on Windows; restricted to local accounts the query is cheap there.
      const quoted = user.replace(/[\\']/g, '\\$&');
      const query = `SELECT * FROM Win32_UserAccount WHERE LocalAccount = TRUE AND Name = '${quoted}'`;
      for await (const instance of cim.executeQuery(accountNamespace, query, options)) return toAccount(instance);
      throw new CarmineError('cim/not-found', { context: { what: `the account ${name}` } });
    },
  };
}

function pathTo(namespace: string, className: string, keys: Record<string, CimValue> = {}): ObjectPath {
  return { namespace, className, keys: new Map(Object.entries(keys)) };
}

async function notFound<T>(call: Promise<T>, error: () => CarmineError): Promise<T> {
  try {
    return await call;
  } catch (thrown) {
    throw isCarmineError(thrown, 'cim/not-found') ? error() : thrown;
  }
}

/** A machine without Carmine's namespace says so in the words of its WMI. */
function extensionError(thrown: unknown, what: string): unknown {
  const missing = isCarmineError(thrown, 'cim/invalid-namespace') || isCarmineError(thrown, 'cim/invalid-class');
  return missing
    ? new CarmineError('controller/extension-missing', { context: { target: 'this machine', what }, cause: thrown })
    : thrown;
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

function indexOf<T>(names: readonly T[], name: T | undefined): number | undefined {
  return name === undefined ? undefined : names.indexOf(name);
}

function nameOf<T extends string>(names: readonly T[], value: CimValue | undefined, what: string): T {
  const name = names[Number(value ?? -1)];
  if (name === undefined)
    throw new CarmineError('wsman/unexpected', { context: { reason: `the value of ${what} is unknown` } });
  return name;
}

const asText = (value: CimValue | undefined): string => (typeof value === 'string' ? value : '');
const asNullableText = (value: CimValue | undefined): string | null => (typeof value === 'string' ? value : null);
const asNumber = (value: CimValue | undefined): number =>
  typeof value === 'number' || typeof value === 'bigint' ? Number(value) : 0;
const asBigint = (value: CimValue | undefined): bigint =>
  typeof value === 'number' || typeof value === 'bigint' ? BigInt(value) : 0n;

function noJob(jobId: string): CarmineError {
  return new CarmineError('job/not-found', { context: { jobId } });
}

function noGroup(prefix: string): CarmineError {
  return new CarmineError('url-group/not-found', { context: { prefix } });
}
