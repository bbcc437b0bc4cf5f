import { createHttpInitiator } from '@carmine/auth';
import { systemEnvironment } from '@carmine/auth/node';

/**
 * Logs a connection on with NTLM. `ask` sends a request with these fields over it and resolves with a text that has the head of the answer; what is asked for is
 * one octet, not the whole file each time.
 */
export async function logOnWithNtlm(
  ask: (fields: readonly string[]) => Promise<string>,
  credentials: { readonly user: string; readonly password: string },
  secureTransport: boolean,
): Promise<void> {
  const initiator = createHttpInitiator({
    credentials,
    schemes: ['ntlm'],
    environment: systemEnvironment,
    host: '127.0.0.1',
    service: 'HTTP',
    secureTransport,
  });
  const little = 'Range: bytes=0-0';
  let head = await ask([little]);
  while (statusOf(head) === '401' && !initiator.complete) {
    const challenges = [...head.matchAll(/^www-authenticate: (.*)$/gim)].map(([, value = '']) => value.trim());
    head = await ask([little, `Authorization: ${initiator.next(challenges)}`]);
  }
  if (statusOf(head) !== '206') throw new Error(`the logon was answered with ${statusOf(head)}`);
}

function statusOf(head: string): string | undefined {
  return /^HTTP\/1\.1 (\d{3})/m.exec(head)?.[1];
}
