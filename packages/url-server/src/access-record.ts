/** One answer, for the access log. */
export interface AccessRecord {
  /** When the request came, milliseconds since 1970. */
  readonly time: number;
  readonly source: string;
  /** Name of the account; empty when nobody was authenticated. */
  readonly identity: string;
  readonly method: string;
  /** As it was asked for. */
  readonly target: string;
  /** As it was asked for. */
  readonly range: string | undefined;
  /** 0: the connection ended before there was an answer. */
  readonly status: number;
  /** Of the file, handed to the connection. */
  readonly bytes: number;
  readonly milliseconds: number;
  /** The answer went out to its end. */
  readonly whole: boolean;
}

/** The record as a line of JSON, without the target's query. What the client chose is cut to 2,048 characters; JSON escapes what would break the line. `time`: the
 * record's, as ISO 8601 writes it. */
export function accessLine(record: AccessRecord, time: string): string {
  const { source, identity, method, target, range, status, bytes, milliseconds, whole } = record;
  const fields = {
    time,
    source,
    identity,
    method,
    path: target.replace(/[?#].*$/s, '').slice(0, longest),
    range: range?.slice(0, longest) ?? null,
    status,
    bytes,
    milliseconds: Math.round(milliseconds * 10) / 10,
    whole,
  };
  return `${JSON.stringify(fields)}\n`;
}

const longest = 2048;
