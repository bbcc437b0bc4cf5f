import {
  type AuthenticatedAccount,
  createKerberosService,
  type EncryptionKey,
  type KerberosService,
  type ServiceTicket,
} from '@carmine/auth';
import { systemEnvironment } from '@carmine/auth/node';
import { encodePac, encodeValidationInfo, pacData, profileOf, sealTicket } from '@carmine/auth/testing';
import { wellKnownSids } from '@carmine/security';

/** What a ticket says; what is absent is as a KDC of the realm would say it for now. */
export interface TicketClaims {
  /** Without the realm. */
  readonly client: string;
  readonly service?: string | undefined;
  /** Realm of the client. */
  readonly realm?: string | undefined;
  /** Milliseconds from now. */
  readonly start?: number | undefined;
  readonly end?: number | undefined;
  readonly flags?: number | undefined;
  /** The key that the ticket is encrypted under; the service's unless given. */
  readonly key?: EncryptionKey | undefined;
  /** Whether a PAC says that the client is in BUILTIN\Administrators, and under which key; none unless given. */
  readonly pacKey?: EncryptionKey | undefined;
}

const kerberosRealm = 'TORTURE.EXAMPLE';
const kerberosService = 'HTTP/localhost';

/** A realm whose KDC is whoever has the service's key: its tickets are made here, with claims of any kind. */
export class KerberosRealm {
  readonly #key: EncryptionKey = newKey();
  readonly service: KerberosService;

  /** `accountOf` gets the first part of a principal's name. */
  constructor(accountOf: (name: string) => AuthenticatedAccount | undefined) {
    this.service = createKerberosService({
      keytab: [{ principal: principalOf(kerberosService), timestamp: 0, kvno: 3, key: this.#key }],
      environment: systemEnvironment,
      // As in an agent, a principal that is not mapped has the groups of its domain, never those of this machine.
      accounts: (principal, realm, pac) => {
        const found = realm === kerberosRealm ? accountOf(principal.split('/')[0] ?? '') : undefined;
        if (found !== undefined || pac === undefined) return found;
        return { ...pac, groupSids: pac.groupSids.filter((sid) => sid.startsWith('S-1-5-21-')) };
      },
    });
  }

  ticket(claims: TicketClaims): ServiceTicket {
    const { client, service = kerberosService, realm = kerberosRealm, start = -60_000, end = 3_600_000 } = claims;
    const now = Math.floor(systemEnvironment.now() / 1000) * 1000;
    const key = claims.key ?? this.#key;
    const sessionKey = newKey();
    const times = { authtime: now + start, starttime: now + start, endtime: now + end, flags: claims.flags ?? 0 };
    const names = { crealm: realm, cname: principalOf(client).name };
    const { name: sname } = principalOf(service);
    const octets = sealTicket(
      key,
      kerberosRealm,
      sname,
      {
        ...times,
        ...names,
        key: { keytype: sessionKey.etype, keyvalue: sessionKey.value },
        transited: { trType: 1, contents: new Uint8Array(0) },
        ...(claims.pacKey === undefined
          ? {}
          : { authorizationData: pacData(administratorsPac(client, times.authtime, claims.pacKey)) }),
      },
      systemEnvironment.randomBytes,
    );
    return {
      client: { realm, name: names.cname },
      server: principalOf(service),
      ticket: octets,
      sessionKey,
      authTime: times.authtime,
      startTime: times.starttime,
      endTime: times.endtime,
      renewTill: undefined,
      flags: times.flags,
      clockOffset: 0,
    };
  }
}

/** AES-256. */
export function newKey(): EncryptionKey {
  const etype = 18;
  return { etype, value: systemEnvironment.randomBytes(profileOf({ etype, value: new Uint8Array(32) }).keyLength) };
}

function administratorsPac(client: string, authtime: number, key: EncryptionKey): Uint8Array {
  return encodePac(
    encodeValidationInfo({ groups: [[512, 7]], extraSids: [[wellKnownSids.administrators, 7]] }),
    client,
    authtime,
    key,
  );
}

function principalOf(name: string) {
  return { realm: kerberosRealm, name: { nameType: 1, nameString: name.split('/') } };
}
