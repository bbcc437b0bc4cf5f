/** What the controller finds when the machines it drives do not do as asked. */
export const controllerCodes = {
  'controller/job-failed': { kind: 'fatal', text: 'the job failed: {reason}' },
  'controller/integrity': { kind: 'fatal', text: 'the copy is not the source: {reason}', hresult: 0x80200053 },
  'controller/timed-out': { kind: 'transient', text: 'not done after {seconds} s; the job goes on' },
  'controller/extension-missing': { kind: 'unsupported', text: '{target} cannot {what}' },
  'controller/job-vanished': { kind: 'fatal', text: 'the job {jobId} is gone from {target}' },
} as const;
