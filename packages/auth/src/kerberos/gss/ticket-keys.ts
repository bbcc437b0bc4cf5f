import { CarmineError, isCarmineError } from '@carmine/errors';
import { decodeDer } from '@carmine/wire/der';
import { keyUsages } from '../crypto/key-usages.ts';
import type { EncryptionKey } from '../crypto/profile.ts';
import { allowedEtypes, useKey } from '../crypto/profiles.ts';
import { kerberosPolicy } from '../errors.ts';
import type { KeytabEntry } from '../files/keytab.ts';
import { type EncTicketPart, encTicketPart, type Ticket } from '../messages/ticket.ts';
import type { KerberosService } from './service.ts';

export interface OpenedTicket {
  readonly part: EncTicketPart;
  /** The service's key, which also made the PAC's signature. */
  readonly key: EncryptionKey;
}

/**
 * Decrypts a ticket with the key of its principal, version and type. Throws `auth/policy` when there is no such key and
 * `auth/failed` when it does not fit.
 */
export function openTicket(service: KerberosService, ticket: Ticket): OpenedTicket {
  const { etype, kvno, cipher } = ticket.encPart;
  if (!allowedEtypes(service.allowRc4).includes(etype))
    throw kerberosPolicy(`tickets of type ${etype} are not allowed`);
  const [kind] = ticket.sname.nameString;
  if (kind === undefined || !service.services.includes(kind.toLowerCase())) {
    throw kerberosPolicy('the ticket is for another service');
  }
  const candidates = service
    .keytab()
    .filter((entry) => entry.key.etype === etype && isSameService(entry, ticket) && isSameVersion(entry, kvno))
    .sort((a, b) => b.kvno - a.kvno);
  if (candidates.length === 0) throw kerberosPolicy('there is no key for the service and version of the ticket');
  for (const { key } of candidates) {
    let plain: Uint8Array;
    try {
      plain = useKey(key, keyUsages.ticket).decrypt(cipher);
    } catch (error) {
      if (isCarmineError(error, 'auth/bad-signature')) continue;
      throw error;
    }
    return { part: decodeDer(encTicketPart, plain), key };
  }
  throw new CarmineError('auth/failed');
}

/**
 * Host names in service names are compared without regard to case, as Windows makes them either way; the realm is
 * exact.
 */
function isSameService({ principal }: KeytabEntry, { realm, sname }: Ticket): boolean {
  const [a, b] = [principal.name.nameString, sname.nameString];
  return (
    principal.realm === realm &&
    a.length === b.length &&
    a.every((part, i) => part.toLowerCase() === b[i]!.toLowerCase())
  );
}

/** Old key tables keep the lowest octet only. */
function isSameVersion(entry: KeytabEntry, kvno: number | undefined): boolean {
  return kvno === undefined || entry.kvno === kvno || (entry.kvno < 256 && entry.kvno === (kvno & 0xff));
}
