import { createHttpInitiator, type SecurityContext } from '@carmine/auth';
import { systemEnvironment } from '@carmine/auth/node';
import type { LoadConnection } from './load-connection.ts';

export const plainType = 'application/soap+xml;charset=UTF-8';

/** Authenticates a connection of a load generator with NTLM over http; gives what seals its messages. */
export async function ntlmLogon(
  connection: LoadConnection,
  credentials: { readonly user: string; readonly password: string },
): Promise<SecurityContext> {
  const initiator = createHttpInitiator({
    credentials,
    schemes: ['negotiate'],
    environment: systemEnvironment,
    host: '127.0.0.1',
    service: 'WSMAN',
    secureTransport: false,
  });
  let challenges = ['Negotiate'];
  for (let leg = 0; leg < 4; leg++) {
    const answer = await connection.ask(post(new Uint8Array(0), plainType, initiator.next(challenges)));
    challenges = [...answer.head.matchAll(/^www-authenticate: (.*)$/gim)].map(([, value = '']) => value.trim());
    if (answer.status !== 200) continue;
    initiator.finish(challenges);
    if (initiator.context !== undefined) return initiator.context;
  }
  throw new Error('the logon did not succeed');
}

export function post(body: Uint8Array, contentType: string, authorization?: string): Uint8Array {
  const lines = ['POST /wsman HTTP/1.1', 'Host: 127.0.0.1', `Content-Type: ${contentType}`];
  if (authorization !== undefined) lines.push(`Authorization: ${authorization}`);
  lines.push(`Content-Length: ${body.length}`);
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), body]);
}
