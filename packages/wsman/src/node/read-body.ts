import type { IncomingMessage } from 'node:http';

/** A body, or why there is none: it was longer than allowed, or the peer went away. */
export type BodyResult = Uint8Array | 'too-large' | 'aborted';

/** Reads a body of at most `limit` octets; stops at the first octet too many. With `keep` false it is thrown away. */
export function readBody(request: IncomingMessage, limit: number, keep: boolean): Promise<BodyResult> {
  return new Promise((resolve) => {
    let chunks: Uint8Array[] = [];
    let length = 0;
    const finish = (result: BodyResult): void => {
      request.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose);
      // Somebody has to listen, or a late error would be unhandled.
      request.on('error', () => {});
      chunks = [];
      resolve(result);
    };
    const onData = (chunk: Uint8Array): void => {
      length += chunk.length;
      if (length > limit) {
        request.pause();
        finish('too-large');
      } else if (keep) chunks.push(chunk);
    };
    const onEnd = (): void => finish(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks));
    const onClose = (): void => finish('aborted');
    request.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose);
  });
}
