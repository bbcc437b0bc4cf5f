/** One answer, for the access log. */
export interface AccessRecord {
  /** When the request came, as ISO 8601 writes it. */
  readonly time: string;
  readonly source: string;
  /** Name of the account; empty when nobody was authenticated. */
  readonly identity: string;
  readonly method: string;
  /** As it was asked for, without a query. */
  readonly path: string;
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

/** The record as a line of JSON. What the client chose is cut to 2,048 characters; JSON escapes what would break the line. */
export function accessLine(record: AccessRecord): string {
  const { path, range, milliseconds, ...rest } = record;
  const fields = {
    ...rest,
    path: path.slice(0, longest),
    range: range?.slice(0, longest) ?? null,
    milliseconds: Math.round(milliseconds * 10) / 10,
  };
  return `${JSON.stringify(fields)}\n`;
}

const longest = 2048;
