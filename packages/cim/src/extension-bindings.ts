import {
  type AccountDirectory,
  type AccountInfo,
  type EndedJob,
  type JobExtensions,
  type JobFileDetails,
  jobStates,
  type UrlGroupExtensions,
  type UrlTransfer,
} from '@carmine/core';
import { CarmineError } from '@carmine/errors';
import { type ClassBinding, integer, optionalBoolean, optionalText, text, type Values } from './binding.ts';
import {
  carmineEndedJobClass,
  carmineJobFileClass,
  carmineTransferClass,
  carmineUrlClass,
  carmineUrlGroupClass,
  userAccountClass,
} from './carmine-classes.ts';
import type { CimValue } from './model.ts';

/** Serves CarmineEndedJob and CarmineJobFile. */
export function bindJobExtensions(jobs: JobExtensions): ClassBinding[] {
  return [
    {
      cls: carmineEndedJobClass,
      async get(keys, options) {
        const wanted = text(keys, 'JobId').toUpperCase();
        for await (const job of jobs.listEndedJobs(options))
          if (job.jobId.toUpperCase() === wanted) return endedToValues(job);
        throw new CarmineError('job/not-found', { context: { jobId: wanted } });
      },
      async *enumerate(options) {
        for await (const job of jobs.listEndedJobs(options)) yield endedToValues(job);
      },
      methods: {},
    },
    {
      cls: carmineJobFileClass,
      async get(keys, options) {
        return fileToValues(await jobs.getFileDetails(text(keys, 'JobId'), integer(keys, 'FileIndex'), options));
      },
      modify: (keys, changes, options) =>
        jobs.modifyFileDetails(
          text(keys, 'JobId'),
          integer(keys, 'FileIndex'),
          {
            // NULL is a value here: it takes the expectation back.
            expectedSha256: changes.has('ExpectedSha256')
              ? (optionalText(changes, 'ExpectedSha256') ?? null)
              : undefined,
            computeSha256: optionalBoolean(changes, 'ComputeSha256'),
          },
          options,
        ),
      methods: {},
    },
  ];
}

/** Serves CarmineUrl, CarmineUrlGroup and CarmineTransfer. */
export function bindUrlGroupExtensions(groups: UrlGroupExtensions): ClassBinding[] {
  return [
    {
      cls: carmineUrlClass,
      async get(keys, options) {
        const url = await groups.getUrlDetails(text(keys, 'UrlGroup'), text(keys, 'UrlSuffix'), options);
        return new Map<string, CimValue>([
          ['UrlGroup', url.urlGroup],
          ['UrlSuffix', url.urlSuffix],
          ['Length', url.length],
          ['Sha256', url.sha256],
        ]);
      },
      methods: {},
    },
    {
      cls: carmineUrlGroupClass,
      async get(keys, options) {
        const group = await groups.getUrlGroupDetails(text(keys, 'UrlGroup'), options);
        return new Map<string, CimValue>([
          ['UrlGroup', group.urlGroup],
          ['State', group.state],
          ['UrlCount', group.urlCount],
        ]);
      },
      methods: {},
    },
    {
      cls: carmineTransferClass,
      async get(keys, options) {
        const wanted = integer(keys, 'TransferId');
        for await (const transfer of groups.listTransfers(options))
          if (transfer.transferId === wanted) return transferToValues(transfer);
        throw new CarmineError('cim/not-found', { context: { what: 'the transfer' } });
      },
      async *enumerate(options) {
        for await (const transfer of groups.listTransfers(options)) yield transferToValues(transfer);
      },
      methods: {},
    },
  ];
}

/** Serves Win32_UserAccount: the accounts of this machine, all of them local. */
export function bindAccounts(accounts: AccountDirectory): ClassBinding {
  return {
    cls: userAccountClass,
    async get(keys, options) {
      const domain = text(keys, 'Domain');
      const name = text(keys, 'Name');
      return accountToValues(await accounts.lookUpAccount(domain === '' ? name : `${domain}\\${name}`, options));
    },
    async *enumerate(options) {
      for await (const account of accounts.listAccounts(options)) yield accountToValues(account);
    },
    methods: {},
  };
}

function accountToValues(account: AccountInfo): Values {
  return new Map<string, CimValue>([
    ['Domain', account.domain],
    ['Name', account.name],
    ['SID', account.sid],
    ['LocalAccount', true],
  ]);
}

function endedToValues(job: EndedJob): Values {
  return new Map<string, CimValue>([
    ['JobId', job.jobId],
    ['DisplayName', job.displayName],
    ['Description', job.description],
    ['State', jobStates.indexOf(job.state)],
    ['Owner', job.owner],
    ['FilesTotal', job.filesTotal],
    ['FilesTransferred', job.filesTransferred],
    ['BytesTotal', job.bytesTotal],
    ['BytesTransferred', job.bytesTransferred],
    ['JobCreationTime', job.jobCreationTime],
    ['EndTime', job.endTime],
    ['Reason', job.reason],
    ['LastError', job.lastError],
  ]);
}

function transferToValues(transfer: UrlTransfer): Values {
  return new Map<string, CimValue>([
    ['TransferId', transfer.transferId],
    ['UrlGroup', transfer.urlGroup],
    ['UrlSuffix', transfer.urlSuffix],
    ['Identity', transfer.identity],
    ['Source', transfer.source],
    ['Range', transfer.range],
    ['Length', transfer.length],
    ['BytesSent', transfer.bytesSent],
    ['StartTime', transfer.startTime],
  ]);
}

function fileToValues(file: JobFileDetails): Values {
  return new Map<string, CimValue>([
    ['JobId', file.jobId],
    ['FileIndex', file.fileIndex],
    ['Sha256', file.sha256],
    ['ExpectedSha256', file.expectedSha256],
    ['ComputeSha256', file.computeSha256],
    ['Phase', file.phase],
    ['WaitReason', file.waitReason],
    ['NextAttempt', file.nextAttempt],
  ]);
}
