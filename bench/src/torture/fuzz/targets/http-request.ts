import { defaultHeadLimits, type RequestEvent, RequestReader } from '@carmine/http1';
import { BrokenPromise, bytesOf, type FuzzCheck, type FuzzTarget } from '../target.ts';

/**
 * Requests as they come in on a port. The reader never throws; it says the same however the octets are cut; no head that it
 * takes has a line, or a framing, that another reader could see differently.
 */
export function httpRequestTarget(): FuzzTarget {
  const get = 'GET /images/win.vhdx HTTP/1.1\r\nHost: files.example:8443\r\nRange: bytes=0-1048575\r\n\r\n';
  const requests = {
    get,
    two: get + get,
    post:
      'POST /wsman HTTP/1.1\r\nHost: x\r\nContent-Type: application/soap+xml\r\nContent-Length: 11\r\n\r\n<s:Envelope' +
      get,
    chunks: `POST /wsman HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n00a\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n${get}`,
    old: 'HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n',
    expecting: 'POST / HTTP/1.1\r\nHost: [::1]:80\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc',
    long: `\r\nGET /${'x/'.repeat(500)} HTTP/1.1\r\nHost: x\r\n${'X-Filler: value\r\n'.repeat(80)}\r\n`,
  };
  return {
    seeds: Object.entries(requests).map(([name, text]) => ({ name, input: bytesOf(text), feed })),
    dictionary: [
      '\r\n',
      '\n',
      '\r',
      '\r\n ',
      '\r\n\r\n',
      ' :',
      '\0',
      'GET / HTTP/1.1\r\n',
      'Host: y\r\n',
      'Content-Length: 5\r\n',
      'Content-Length: 18446744073709551616\r\n',
      'Transfer-Encoding: chunked\r\n',
      'Transfer-Encoding: identity\r\n',
      'Expect: 100-continue\r\n',
      'ffffffff\r\n',
      '0\r\n\r\n',
    ],
    maximum: 131_072,
    documented: () => false,
  };
}

function feed(input: Uint8Array): FuzzCheck {
  const { events, heads } = read([input]);
  if (heads.length === 0) return undefined;
  return () => {
    const middle = Math.floor(input.length / 2);
    const cut = read([input.subarray(0, 1), input.subarray(1, middle), input.subarray(middle)]);
    if (cut.events.join('\n') !== events.join('\n')) throw new BrokenPromise('it says something else in three parts');
    for (const head of heads) checkHead(head);
  };
}

type Head = Extract<RequestEvent, { kind: 'head' }>['head'];

function read(pieces: readonly Uint8Array[]): { readonly events: readonly string[]; readonly heads: readonly Head[] } {
  const reader = new RequestReader(defaultHeadLimits, (bytes, from, to) =>
    Buffer.from(bytes).toString('latin1', from, to),
  );
  const events: string[] = [];
  const heads: Head[] = [];
  let body = 0;
  for (const piece of pieces) {
    reader.receive(piece);
    for (let event = reader.next(); event.kind !== 'more'; event = reader.next()) {
      if (event.kind === 'data') {
        if (event.bytes.length === 0) throw new BrokenPromise('a piece of a body without octets');
        body += event.bytes.length;
        continue;
      }
      if (event.kind === 'head') heads.push(event.head);
      events.push(event.kind === 'fault' ? String(event.status) : `${event.kind} ${body}`);
      if (event.kind === 'fault') break;
    }
  }
  return { events, heads };
}

function checkHead({ method, target, minorVersion, fields, body }: Head): void {
  if (/[^\x21-\x7e]/.test(method + target)) throw new BrokenPromise('a request line that is none');
  const lengths = fields.count('content-length');
  const codings = fields.count('transfer-encoding');
  if (lengths > 1 || codings > 1 || (lengths > 0 && codings > 0)) throw new BrokenPromise('two framings');
  if (codings > 0 && (minorVersion === 0 || body.kind !== 'chunked'))
    throw new BrokenPromise('a coding that does not count');
  if (body.kind === 'length' && lengths !== 1) throw new BrokenPromise('a length that nobody gave');
  if (fields.count('host') > 1 || (minorVersion === 1 && fields.count('host') === 0))
    throw new BrokenPromise('not one Host');
  for (const [name, value] of fields) {
    if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name)) throw new BrokenPromise('a name that is none');
    if (/[\0-\x08\n-\x1f\x7f]/.test(value)) throw new BrokenPromise('a control in a value');
  }
}
