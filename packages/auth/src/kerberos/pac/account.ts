import { ByteReader, decodeUtf16 } from '@carmine/wire';
import type { AuthenticatedAccount } from '../../context.ts';
import { claimedNameOf } from '../../credentials.ts';
import type { EncryptionKey } from '../crypto/profile.ts';
import { kerberosPolicy } from '../errors.ts';
import type { EncTicketPart } from '../messages/ticket.ts';
import { decodePac, findBuffer, pacTypes, verifyServerSignature } from './pac.ts';
import { decodeValidationInfo } from './validation-info.ts';

/**
 * The account that a PAC describes: verified with the service's key, and that it belongs to this ticket ([MS-PAC] 2.7).
 * Undefined when it says nothing of SIDs, as the PACs of MIT's KDC. A PAC that does not verify is `auth/policy`:
 * somebody changed it.
 */
export function accountOfPac(
  pac: Uint8Array,
  key: EncryptionKey,
  ticket: Pick<EncTicketPart, 'authtime' | 'cname' | 'crealm'>,
): AuthenticatedAccount | undefined {
  const buffers = decodePac(pac);
  verifyServerSignature(pac, buffers, key);
  const client = findBuffer(buffers, pacTypes.clientInfo);
  if (client === undefined || !isFor(client.data, ticket)) throw kerberosPolicy('the PAC is for another ticket');
  const logon = findBuffer(buffers, pacTypes.logonInfo);
  if (logon === undefined) return undefined;
  const { effectiveName, logonDomainName, userSid, groupSids } = decodeValidationInfo(logon.data);
  const user = effectiveName === '' ? ticket.cname.nameString.join('/') : effectiveName;
  return { name: claimedNameOf(user, logonDomainName), userSid, groupSids };
}

/** PAC_CLIENT_INFO, [MS-PAC] 2.7: FILETIME of the ticket's authtime | u16 octets | name, as in the ticket. */
function isFor(data: Uint8Array, { authtime, cname, crealm }: Pick<EncTicketPart, 'authtime' | 'cname' | 'crealm'>) {
  const reader = new ByteReader(data, { what: 'PAC_CLIENT_INFO' });
  const time = reader.u64();
  const name = decodeUtf16(reader.take(reader.u16()));
  const plain = cname.nameString.join('/');
  // Where S4U or another realm was involved the realm may stand there too.
  return time === fileTime(authtime) && (name === plain || name === `${plain}@${crealm}`);
}

function fileTime(milliseconds: number): bigint {
  return BigInt(milliseconds) * 10_000n + 116_444_736_000_000_000n;
}
