import type { JobErrorContext, JobErrorReport } from '@carmine/core';
import { type CarmineError, formatHresult, lookUpHresult } from '@carmine/errors';
import type { StoredError, StoredJob } from '@carmine/job-store';

/** What of a failure a job keeps; BG_ERROR_CONTEXT as the field shows it: all of HTTP, name and TLS failures are the remote file's. */
function storedError(error: CarmineError, fileIndex: number | null): StoredError {
  return { code: (error.hresult ?? eFail) >>> 0, context: contextOf(error.code), message: error.message, fileIndex };
}

/** The same, as fields of the job. */
export function errorFields(error: CarmineError, fileIndex: number | null): Pick<StoredJob, 'error' | 'lastError'> {
  const stored = storedError(error, fileIndex);
  return { error: stored, lastError: stored.code };
}

/** Out-parameters of GetError. UNSPECIFIED: texts exist in one language, whatever LanguageId says. */
export function errorReport(error: StoredError): JobErrorReport {
  const entry = lookUpHresult(error.code);
  return {
    context: error.context,
    code: error.code,
    contextDescription: contextTexts[error.context],
    errorDescription: entry === undefined ? error.message : `${entry.meaning} (${formatHresult(error.code)})`,
  };
}

function contextOf(code: string): JobErrorContext {
  if (code.startsWith('file/') || code === 'transfer/journal') return 'localFile';
  if (code.startsWith('transfer/')) return 'remoteFile';
  return 'generalQueueManager';
}

const contextTexts: Readonly<Record<JobErrorContext, string>> = {
  none: 'There was no error.',
  unknown: 'The context of the error is not known.',
  generalQueueManager: 'The error occurred in the queue manager.',
  queueManagerNotification: 'The error occurred while the queue manager was notifying the client.',
  localFile: 'The error occurred while the local file was being processed.',
  remoteFile: 'The error occurred while the remote file was being processed.',
  generalTransport: 'The error occurred in the transport layer.',
  remoteApplication: 'The error occurred while the server application was processing the upload.',
};

/** E_FAIL. */
const eFail = 0x8000_4005;
