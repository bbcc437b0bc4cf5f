import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isCarmineError } from '@carmine/errors';
import { fromHex } from '@carmine/testkit';
import { concatBytes } from '@carmine/wire';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type CredentialCache,
  decodeCredentialCache,
  decodeKeytab,
  encodeCredentialCache,
  encodeKeytab,
  type KeytabEntry,
  parseKerberosConfiguration,
  parsePrincipal,
  realmOfHost,
} from '../src/index.ts';
import {
  openKeytab,
  readCredentialCache,
  readKerberosConfiguration,
  readKeytab,
  writeCredentialCache,
  writeKeytab,
} from '../src/node/index.ts';
import { caught, golden } from './support.ts';

const files = golden<{ keytab: string; ccache: string; ccache3: string }>('kerberos-mit-files.json');

const entry: KeytabEntry = {
  principal: parsePrincipal('HTTP/files.example', 'R'),
  timestamp: 1_700_000_000,
  kvno: 300,
  key: { etype: 18, value: new Uint8Array(32).fill(5) },
};

const cache: CredentialCache = {
  principal: parsePrincipal('admin', 'R'),
  clockOffset: -1500,
  credentials: [
    {
      client: parsePrincipal('admin', 'R'),
      server: parsePrincipal('krbtgt/R', 'R'),
      ticket: Uint8Array.of(1, 2, 3),
      sessionKey: { etype: 20, value: new Uint8Array(32).fill(6) },
      authTime: 1_700_000_000_000,
      startTime: 1_700_000_001_000,
      endTime: 1_700_036_000_000,
      renewTill: undefined,
      flags: 0x40e1_0000,
    },
  ],
};

const remote = (action: () => unknown) => {
  try {
    action();
  } catch (error) {
    if (!isCarmineError(error)) throw error;
    expect(error.kind).toBe('remote');
  }
};

describe('key tables', () => {
  test('of ktadd', () => {
    const entries = decodeKeytab(fromHex(files.keytab));
    expect(entries.map(({ principal, kvno, key }) => [principal.name.nameString.join('/'), kvno, key.etype])).toEqual([
      ['HTTP/files.example', 2, 20],
      ['HTTP/files.example', 2, 18],
    ]);
    expect(decodeKeytab(encodeKeytab(entries))).toEqual(entries);
  });

  test('holes and zeros at the end are skipped, short versions without the long one are taken', () => {
    const one = encodeKeytab([entry]);
    const hole = fromHex('fffffffc 01020304');
    expect(decodeKeytab(concatBytes(one.subarray(0, 2), hole, one.subarray(2), fromHex('00000000 ffff')))).toEqual([
      entry,
    ]);
    const short = one.slice(0, -4);
    new DataView(short.buffer).setUint32(2, short.length - 6);
    expect(decodeKeytab(short)).toEqual([{ ...entry, kvno: 44 }]);
  });

  test.each([
    ['0501', 'wire/invalid'],
    ['0502 00000010 0000', 'wire/truncated'],
    ['0502 80000000', 'wire/truncated'],
    ['0502 00000004 ffffffff', 'wire/truncated'],
  ])('%s', (hex, code) => {
    expect(() => decodeKeytab(fromHex(hex))).toThrow(expect.objectContaining({ code }));
  });
});

test('a krb5.conf of many KDCs and long lines takes no longer than it is', () => {
  const text = `[realms]\nR* = {\n${'kdc = a\n'.repeat(50_000)}kdc${' '.repeat(200_000)}* = b\n}\n`;
  const kdcs = parseKerberosConfiguration(text, 'krb5.conf').kdcs.get('R');
  expect([kdcs?.length, kdcs?.at(-1)]).toEqual([50_001, 'b']);
  const spaces = `x${' '.repeat(200_000)}y`;
  expect(() => parseKerberosConfiguration(spaces, 'krb5.conf')).toThrow(/neither/);
});

describe('credential caches', () => {
  test('hold times of 32 bits: others become the nearest, and tickets do not last longer', () => {
    const far = {
      ...cache.credentials[0]!,
      authTime: -1,
      startTime: 5000,
      endTime: Date.UTC(9000, 0, 1),
      renewTill: undefined,
    };
    const again = decodeCredentialCache(encodeCredentialCache({ ...cache, credentials: [far] }));
    expect(again.credentials[0]).toEqual({ ...far, authTime: 0, endTime: 0xffff_ffff * 1000 });
  });

  test.each(['ccache', 'ccache3'] as const)('of kinit: %s', (name) => {
    const { principal, credentials } = decodeCredentialCache(fromHex(files[name]));
    expect(principal).toEqual(parsePrincipal('admin', 'CARMINE.TEST'));
    expect(credentials).toHaveLength(1);
    expect(credentials[0]!.server.name.nameString).toEqual(['krbtgt', 'CARMINE.TEST']);
    expect(credentials[0]!.ticket[0]).toBe(0x61);
  });

  test('survive', () => {
    expect(decodeCredentialCache(encodeCredentialCache(cache))).toEqual(cache);
  });

  test.each([
    ['0502', 'wire/invalid'],
    ['0504 0004 0001 0008', 'wire/truncated'],
    ['0504 0000 00000001 ffffffff 00000000', 'wire/invalid'],
  ])('%s', (hex, code) => {
    expect(() => decodeCredentialCache(fromHex(hex))).toThrow(expect.objectContaining({ code }));
  });
});

test('any octets, and files with some changed, decode or are refused', () => {
  const valid = [encodeKeytab([entry, entry]), encodeCredentialCache(cache)];
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(), fc.uint8Array({ maxLength: 4 }), (octets, at, change) => {
      for (const file of valid) {
        const changed = file.slice();
        changed.set(change, at % (changed.length - 4));
        const inputs = [octets, concatBytes(file.subarray(0, 2), octets), changed];
        for (const input of inputs) {
          remote(() => decodeKeytab(input));
          remote(() => decodeCredentialCache(input));
        }
      }
    }),
    { numRuns: 300 },
  );
});

const conf = `
# comment
[libdefaults]
  default_realm = CARMINE.TEST
  dns_lookup_kdc = false
[realms]
  CARMINE.TEST = {
    kdc = kdc1.example
    kdc = kdc2.example:8088
    admin_server = kdc1.example
    auth_to_local_names = {
      kdc = not-this-one
    }
  }
  OTHER.TEST = {
    kdc = [::1]:88
  }
  EMPTY.TEST = { }
[domain_realm]
  .Example = CARMINE.TEST
  other.test = OTHER.TEST
  odd.example = OTHER.TEST
[logging]
  kdc = FILE:/var/log/kdc.log
`;

describe('krb5.conf', () => {
  test('says where KDCs are', () => {
    const configuration = parseKerberosConfiguration(conf, 'krb5.conf');
    expect(configuration.defaultRealm).toBe('CARMINE.TEST');
    expect([...configuration.kdcs]).toEqual([
      ['CARMINE.TEST', ['kdc1.example', 'kdc2.example:8088']],
      ['OTHER.TEST', ['[::1]:88']],
    ]);
    const realms = ['a.b.example', 'odd.EXAMPLE', 'other.test', 'www.other.test', 'elsewhere', 'example'];
    expect(realms.map((host) => realmOfHost(configuration, host))).toEqual([
      'CARMINE.TEST',
      'OTHER.TEST',
      'OTHER.TEST',
      'OTHER.TEST',
      undefined,
      undefined,
    ]);
  });

  test.each([
    ['[realms]\n  nonsense', 2],
    ['}', 1],
  ])('%s', (text, line) => {
    expect(caught(() => parseKerberosConfiguration(text, 'krb5.conf'))).toMatchObject({
      code: 'configuration/syntax',
      context: { file: 'krb5.conf', line },
    });
  });
});

describe('on disk', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'carmine-kerberos-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const at = (name: string) => join(folder, name);

  test('key tables and caches are written for their owner only', () => {
    writeKeytab(at('keys'), [entry]);
    writeCredentialCache(`FILE:${at('cache')}`, cache);
    expect(readKeytab(`FILE:${at('keys')}`)).toEqual([entry]);
    expect(readCredentialCache(at('cache'))).toEqual(cache);
    if (process.platform !== 'win32') expect(statSync(at('keys')).mode & 0o777).toBe(0o600);
  });

  test('what cannot be used is said', () => {
    expect(() => readKeytab(at('none'))).toThrow(expect.objectContaining({ code: 'configuration/unreadable' }));
    writeFileSync(at('bad'), 'nonsense');
    expect(() => readCredentialCache(at('bad'))).toThrow(expect.objectContaining({ code: 'configuration/unreadable' }));
    expect(() => readCredentialCache('KCM:1000')).toThrow(expect.objectContaining({ code: 'usage/invalid' }));
  });

  test('a key table is read again when it changed, and has no keys while it cannot be used', () => {
    writeKeytab(at('keys'), [entry]);
    const reported: unknown[] = [];
    const current = openKeytab(at('keys'), { report: ({ code }) => void reported.push(code) });
    expect(current()).toEqual([entry]);
    expect(current()).toBe(current());
    writeKeytab(at('keys'), [entry, { ...entry, kvno: 301 }]);
    expect(current()).toHaveLength(2);
    writeFileSync(at('keys'), 'nonsense');
    expect(current()).toEqual([]);
    expect(reported).toEqual(['configuration/unreadable']);
    writeKeytab(at('keys'), [entry]);
    expect(current()).toEqual([entry]);
    expect(() => openKeytab(at('none'))).toThrow(/no such file/);
  });

  test('krb5.conf includes files and folders, and circles end', () => {
    mkdirSync(at('d'));
    writeFileSync(
      at('krb5.conf'),
      `includedir ${at('d')}\ninclude ${at('more')}\n[libdefaults]\ndefault_realm = LATER\n`,
    );
    writeFileSync(at('d/one.conf'), '[realms]\nR = {\nkdc = one\n}\n');
    writeFileSync(at('d/backup.conf~'), 'nonsense');
    writeFileSync(
      at('more'),
      '[libdefaults]\ndefault_realm = R\n[realms]\nR = {\nkdc = two\n}\n[domain_realm]\nx = R\n',
    );
    const configuration = readKerberosConfiguration(at('krb5.conf'));
    expect([configuration.defaultRealm, configuration.kdcs.get('R'), configuration.domainRealms.get('x')]).toEqual([
      'R',
      ['one', 'two'],
      'R',
    ]);
    writeFileSync(at('circle'), `include ${at('circle')}\n`);
    expect(() => readKerberosConfiguration(at('circle'))).toThrow(/too many files/);
    expect(() => readKerberosConfiguration(at('none'))).toThrow(/no such file/);
  });
});
