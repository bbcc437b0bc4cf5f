import { CarmineError, isCarmineError } from '@carmine/errors';
import { createWsmanOperations, type WsmanOperations } from '@carmine/wsman';

/** The body that our own client sends for a call, for those who send it in ways of their own. */
export async function soapRequest(
  to: string,
  call: (client: WsmanOperations) => Promise<unknown>,
): Promise<Uint8Array> {
  let body = new Uint8Array(0);
  const client = createWsmanOperations({
    to,
    now: () => 0,
    uuid: () => 'aaaaaaaa-0000-4000-8000-00000000000a',
    async exchange(request) {
      body = Uint8Array.from(request.body);
      throw new CarmineError('internal/aborted');
    },
  });
  await call(client).catch((error: unknown) => {
    if (!isCarmineError(error, 'internal/aborted')) throw error;
  });
  return body;
}
