import { connect } from 'node:net';

/** One answer as it stood on the wire. */
interface RawAnswer {
  readonly status: number;
  readonly head: string;
  readonly body: Buffer;
}

export interface RawResult {
  readonly answers: readonly RawAnswer[];
  /** What is no answer, or the part of one. */
  readonly rest: Buffer;
}

/** Sends octets, says that nothing follows, and reads until the server closes. Rejects when that takes `timeout` milliseconds. */
export function sendRaw(port: number, octets: Buffer, timeout = 20_000): Promise<RawResult> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
    const chunks: Buffer[] = [];
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error('the server neither answered nor closed'));
    }, timeout);
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    // A reset is an end like another: what came before counts.
    socket.on('error', () => {});
    socket.on('end', () => socket.end());
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(readAnswers(Buffer.concat(chunks)));
    });
    socket.end(octets);
  });
}

/** Cuts octets into answers with Content-Length; those to HEAD are not read here. */
function readAnswers(octets: Buffer): RawResult {
  const answers: RawAnswer[] = [];
  let at = 0;
  for (;;) {
    const end = octets.indexOf('\r\n\r\n', at);
    if (end < 0) break;
    const head = octets.toString('latin1', at, end);
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]);
    if (Number.isNaN(status)) break;
    if (status < 200) {
      at = end + 4;
      continue;
    }
    const length = status === 304 ? 0 : Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? Number.NaN);
    if (Number.isNaN(length) || end + 4 + length > octets.length) break;
    answers.push({ status, head, body: octets.subarray(end + 4, end + 4 + length) });
    at = end + 4 + length;
  }
  return { answers, rest: octets.subarray(at) };
}
