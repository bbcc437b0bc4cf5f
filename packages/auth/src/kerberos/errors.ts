import { CarmineError } from '@carmine/errors';
import { remoteFault } from '../remote-fault.ts';

export function kerberosPolicy(reason: string): CarmineError {
  return new CarmineError('auth/policy', { context: { mechanism: 'kerberos', reason } });
}

export function kerberosProtocol(reason: string, cause?: unknown): CarmineError {
  return new CarmineError('auth/protocol', {
    context: { mechanism: 'kerberos', reason },
    ...(cause === undefined ? {} : { cause }),
  });
}

/** The inbound entry point: see remoteFault. */
export function kerberosInbound<T>(action: () => T): T {
  return remoteFault('kerberos', action);
}
