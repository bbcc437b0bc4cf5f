import type { AuditEvent } from '@carmine/cim';
import { formatHresult } from '@carmine/errors';

/** One line of the audit file. Secrets never get here: methods are named, their parameters are not. */
export interface AuditRecord {
  readonly time: string;
  readonly who: string;
  readonly sid: string;
  readonly scheme: string;
  readonly from: string;
  readonly action: string;
  readonly object: string;
  readonly outcome: string;
  readonly result: string;
}

/** `time` in ISO 8601. */
export function auditRecord(event: AuditEvent, time: string): AuditRecord {
  return {
    time,
    who: event.token.name,
    sid: event.token.userSid,
    scheme: event.token.scheme,
    from: event.token.source,
    action: clip(event.action),
    object: clip(event.object),
    outcome: event.outcome,
    result: formatHresult(event.result),
  };
}

/** Both are the caller's words, of any length. */
function clip(text: string): string {
  return text.length > 512 ? `${text.slice(0, 512)}…` : text;
}
