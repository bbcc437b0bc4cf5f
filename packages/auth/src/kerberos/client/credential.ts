import type { EncryptionKey } from '../crypto/profile.ts';
import type { EncKdcRepPart } from '../messages/kdc-messages.ts';
import type { Principal } from '../messages/principal.ts';

/** A ticket and what its owner needs to use it. Times are in milliseconds since 1970. */
export interface KerberosCredential {
  readonly client: Principal;
  readonly server: Principal;
  /** DER of the Ticket, as the KDC gave it. */
  readonly ticket: Uint8Array;
  readonly sessionKey: EncryptionKey;
  readonly authTime: number;
  readonly startTime: number;
  readonly endTime: number;
  readonly renewTill: number | undefined;
  /** TicketFlags. */
  readonly flags: number;
}

/**
 * A credential for a service, ready for createKerberosInitiator and HttpInitiatorOptions.kerberos. It is as secret as a
 * password until it ends.
 */
export interface ServiceTicket extends KerberosCredential {
  /** What to add to our clock to get the KDC's, in milliseconds. */
  readonly clockOffset: number;
}

export function credentialOf(client: Principal, ticket: Uint8Array, part: EncKdcRepPart): KerberosCredential {
  return {
    client,
    server: { realm: part.srealm, name: part.sname },
    ticket,
    sessionKey: { etype: part.key.keytype, value: part.key.keyvalue },
    authTime: part.authtime,
    startTime: part.starttime ?? part.authtime,
    endTime: part.endtime,
    renewTill: part.renewTill,
    flags: part.flags,
  };
}
