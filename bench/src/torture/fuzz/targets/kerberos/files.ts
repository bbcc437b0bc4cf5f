import { isDeepStrictEqual } from 'node:util';
import {
  decodeCredentialCache,
  decodeKeytab,
  encodeCredentialCache,
  encodeKeytab,
  parseKerberosConfiguration,
  realmOfHost,
} from '@carmine/auth';
import { isCarmineError } from '@carmine/errors';
import { BrokenPromise, bytesOf, type FuzzSeed, textOf } from '../../target.ts';
import type { KerberosScene } from './scene.ts';

/** Key tables, credential caches and krb5.conf: what is read is written and read again. */
export function kerberosFileSeeds({ ticket, keytab }: KerberosScene): FuzzSeed[] {
  const cache = { principal: ticket.client, clockOffset: -1500, credentials: [ticket, ticket] };
  return [
    {
      name: 'keytab',
      input: encodeKeytab([...keytab, ...keytab]),
      feed(input) {
        const entries = decodeKeytab(input);
        return () => {
          const again = decodeKeytab(encodeKeytab(entries));
          // A name without a type gets one.
          const typed = entries.map(({ principal: { realm, name }, ...rest }) => ({
            ...rest,
            principal: { realm, name: { ...name, nameType: name.nameType || 1 } },
          }));
          if (!isDeepStrictEqual(again, typed)) throw new BrokenPromise('the keytab is another one when written');
        };
      },
    },
    {
      name: 'credential cache',
      input: encodeCredentialCache(cache),
      feed(input) {
        const found = decodeCredentialCache(input);
        return () => {
          const again = decodeCredentialCache(encodeCredentialCache(found));
          if (!isDeepStrictEqual(again, found)) throw new BrokenPromise('the cache is another one when written');
        };
      },
    },
    {
      name: 'krb5.conf',
      input: bytesOf(configuration),
      feed(input) {
        const found = parseKerberosConfiguration(textOf(input), 'krb5.conf');
        realmOfHost(found, 'www.files.example.com');
        return undefined;
      },
    },
  ];
}

/** What krb5.conf's parser documents: the file is the administrator's, not a peer's. */
export function isFileError(error: unknown): boolean {
  return isCarmineError(error, 'configuration/syntax');
}

const configuration = `# krb5.conf
[libdefaults]
  default_realm = CARMINE.TEST
[realms]
  CARMINE.TEST = {
    kdc = kdc1.example:88
    kdc = kdc2.example
    auth_to_local_names = {
      x = y
    }
  }
[domain_realm]
  .example.com = CARMINE.TEST
  www.example.com = OTHER.TEST
`;
