/** One version of the published file, and what a server says of it. */
export interface Version {
  readonly content: Uint8Array;
  readonly etag?: string | undefined;
  readonly lastModified?: string | undefined;
  /** What Repr-Digest says, base64; absent: there is none. */
  readonly digest?: string | undefined;
  /** What it would say if it were right. */
  readonly sha256?: string | undefined;
}

/** What of a request matters to a script. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** `end` is exclusive. */
  readonly range: { readonly start: number; readonly end: number } | undefined;
  /** Number of the connection, from 1. */
  readonly connection: number;
  /** Number of this request among those of its method, from 1. */
  readonly nth: number;
}

/** An answer as octets in the making: a script takes a good one and spoils it. */
export class Reply {
  protocol = 'HTTP/1.1';
  status: string;
  reason = 'Fine';
  fields: [name: string, value: string][];
  body: Uint8Array;
  /** Between lines. */
  newline = '\r\n';

  constructor(status: number, fields: [name: string, value: string][], body: Uint8Array) {
    this.status = String(status);
    this.fields = fields;
    this.body = body;
  }

  get(name: string): string {
    return this.fields.find((field) => field[0].toLowerCase() === name.toLowerCase())?.[1] ?? '';
  }

  /** Replaces every field of that name; without a value they go. */
  set(name: string, value?: string): this {
    this.fields = this.fields.filter((field) => field[0].toLowerCase() !== name.toLowerCase());
    return value === undefined ? this : this.add(name, value);
  }

  add(name: string, value: string): this {
    this.fields.push([name, value]);
    return this;
  }

  /** Another status, without content unless given. */
  as(status: number | string, content: Uint8Array = new Uint8Array(0)): this {
    this.status = String(status);
    this.set('content-range');
    return this.holds(content);
  }

  /** Other content, with its length. */
  holds(content: Uint8Array | string): this {
    this.body = typeof content === 'string' ? Buffer.from(content, 'latin1') : content;
    return this.set('content-length', String(this.body.length));
  }

  /** The same content in chunks of `size`, with what `between` makes of a chunk's size, and trailers. */
  chunked(size = 10_000, sizeText = (length: number) => length.toString(16), trailers = ''): this {
    const parts: Uint8Array[] = [];
    for (let at = 0; at < this.body.length; at += size) {
      const chunk = this.body.subarray(at, at + size);
      parts.push(Buffer.from(`${sizeText(chunk.length)}\r\n`, 'latin1'), chunk, Buffer.from('\r\n'));
    }
    parts.push(Buffer.from(`${sizeText(0)}\r\n${trailers}\r\n`, 'latin1'));
    this.body = Buffer.concat(parts);
    return this.set('content-length').set('transfer-encoding', 'chunked');
  }

  get head(): Buffer {
    const lines = [`${this.protocol} ${this.status} ${this.reason}`, ...this.fields.map((field) => field.join(': '))];
    return Buffer.from(lines.map((line) => line + this.newline).join('') + this.newline, 'latin1');
  }

  get bytes(): Buffer {
    return Buffer.concat([this.head, this.body]);
  }
}

/** What a good server answers (RFC 9110: Range, If-Range, If-Unmodified-Since). */
export function fine({ method, headers, range }: Asked, { content, etag, lastModified, digest }: Version): Reply {
  const fields: [string, string][] = [['Accept-Ranges', 'bytes']];
  if (etag !== undefined) fields.push(['ETag', etag]);
  if (lastModified !== undefined) fields.push(['Last-Modified', lastModified]);
  if (digest !== undefined) fields.push(['Repr-Digest', `sha-256=:${digest}:`]);
  const make = (status: number, body: Uint8Array) => {
    const reply = new Reply(status, fields, body);
    reply.add('Content-Length', String(body.length));
    if (method === 'HEAD') reply.body = new Uint8Array(0);
    return reply;
  };
  const unmodified = headers['if-unmodified-since'];
  if (unmodified !== undefined && unmodified !== lastModified) return make(412, new Uint8Array(0));
  const condition = headers['if-range'];
  if (range === undefined || (condition !== undefined && condition !== etag && condition !== lastModified)) {
    return make(200, content);
  }
  if (range.start >= content.length) {
    return make(416, new Uint8Array(0)).add('Content-Range', `bytes */${content.length}`);
  }
  const end = Math.min(range.end, content.length);
  return make(206, content.subarray(range.start, end)).add(
    'Content-Range',
    `bytes ${range.start}-${end - 1}/${content.length}`,
  );
}
