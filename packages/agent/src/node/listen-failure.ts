import { CarmineError } from '@carmine/errors';
import { formatAddress, type ListenAddress } from '../address.ts';

/** Why an address cannot be listened on: taken by another process, or of no use on this machine. */
export function listenFailure(address: ListenAddress, cause: unknown): CarmineError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const what = formatAddress(address);
  return code === 'EADDRINUSE'
    ? new CarmineError('configuration/in-use', { context: { what: `the address ${what}` }, cause })
    : new CarmineError('configuration/address', {
        context: { address: what, reason: reasons[code ?? ''] ?? code ?? message },
        cause,
      });
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'this user may not listen on that port',
  EADDRNOTAVAIL: 'this machine does not have that address',
  ENOTFOUND: 'there is no such host',
};
