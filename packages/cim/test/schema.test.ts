import { describe, expect, it } from 'vitest';
import {
  bitsClientFileClass,
  bitsClientJobClass,
  bitsCompactServerUrlGroupClass,
  type CimClass,
  type CimElement,
  CimSchema,
  carmineEndedJobClass,
  findByName,
  inParameters,
  keyProperties,
  normaliseNamespace,
  outParameters,
} from '../src/index.ts';

/**
 * The BITS provider reference, written down independently of the source: classes BitsClientFile, BitsClientJob,
 * BitsCompactServerUrlGroup with their method pages. `key`, `rw` and `opt` mark; `static` where the samples call the
 * class itself. Where Carmine differs on purpose the line ends in a comment.
 */
const reference: readonly [CimClass, string][] = [
  [
    bitsClientFileClass,
    `
    string RemoteUrl
    string LocalFile
    uint64 BytesTotal
    uint64 BytesTransferred
    boolean Completed
    `,
  ],
  [
    bitsClientJobClass,
    `
    key string JobId
    rw string DisplayName
    rw string Description
    rw uint32 Priority
    rw uint32 MinimumRetryDelay
    rw uint32 NoProgressTimeout
    BitsClientFile[] Files
    uint64 JobCreationTime
    uint64 JobLastModificationTime
    uint64 JobCompletionTime
    uint64 BytesTotal
    uint64 BytesTransferred
    uint32 FilesTotal
    uint32 FilesTransferred
    uint32 TransientErrorCount
    uint16 State
    string Owner
    static CreateJob(in string DisplayName, in string RemoteUrl, in string LocalFile, in opt uint16 ServiceAccount, in opt uint16 Type, in opt boolean Suspend, in opt string Description, out string JobId)
    AddFile(in string RemoteUrl, in string LocalFile) // the page: remoteUrl, localFile
    SetJobState(in uint16 JobState)
    SetCredentials(in uint16 Target, in uint16 Scheme, in opt string UserName, in opt string Password) // the page: not optional, may be NULL
    RemoveCredentials(in uint16 Target, in uint16 Scheme)
    GetError(in uint32 LanguageId, out uint32 ErrorContext, out uint32 ErrorCode, out string ContextDescription, out string ErrorDescription)
    SetClientCertificateByName(in uint16 CertStoreLocation, in string StoreName, in string SubjectName)
    SetClientCertificateById(in uint16 CertStoreLocation, in string StoreName, in uint8[] CertHash)
    RemoveClientCertificate()
    SetProxySettings(in uint16 ProxyUsage, in opt string ProxyList, in opt string ProxyBypassList)
    `,
  ],
  [
    bitsCompactServerUrlGroupClass,
    `
    key string UrlGroup
    static SetSslCertificate(in uint16 Port, in string StoreName, in uint8[] hashBlob)
    static GetSslCertificate(in uint16 Port, out string StoreName, out uint8[] hashBlob)
    static RemoveSslCertificate(in uint16 Port)
    static CreateUrlGroup(in string UrlGroup)
    static DeleteUrlGroup(in string UrlGroup)
    CreateUrl(in string UrlSuffix, in string SourceFilePath, in opt string SDDLAuth, in opt uint8[] CertificateHashAccessCheck) // the page: SDDLAuth not optional, may be ""
    CheckUrl(in string UrlSuffix, out boolean UrlExists)
    DeleteUrl(in string UrlSuffix)
    SetUrlGroupAuthentication(in uint16 Scheme, in boolean Enable, in opt uint32 Flag, in opt string DomainName, in opt string Realm)
    GetUrlGroupAuthentication(in uint16 Scheme, out boolean Enable, out opt uint32 Flag, out opt string DomainName, out opt string Realm)
    SetProperty(in string Property, in uint32 Value)
    GetProperty(in string Property, out uint32 Value)
    `,
  ],
];

const typeOf = (element: CimElement) => `${element.embeddedClass ?? element.type}${element.array ? '[]' : ''}`;

function describeClass(cls: CimClass): string[] {
  const properties = cls.properties.map((property) =>
    [...(property.key ? ['key'] : []), ...(property.writable ? ['rw'] : []), typeOf(property), property.name].join(' '),
  );
  const methods = cls.methods.map((method) => {
    const parameters = method.parameters.map((parameter) =>
      [parameter.direction, ...(parameter.optional ? ['opt'] : []), typeOf(parameter), parameter.name].join(' '),
    );
    return `${method.isStatic ? 'static ' : ''}${method.name}(${parameters.join(', ')})`;
  });
  return [...properties, ...methods];
}

describe('schema of the BITS classes', () => {
  it.each(reference.map(([cls, text]) => [cls.name, cls, text] as const))(
    '%s is what the reference says',
    (_name, cls, text) => {
      const expected = text
        .split('\n')
        .map((line) => line.replace(/\/\/.*/, '').trim())
        .filter((line) => line !== '');
      expect(describeClass(cls)).toEqual(expected);
      expect(cls.namespace).toBe('root\\Microsoft\\BITS');
    },
  );

  it('has an embedded class for objects only, a description for everything, and no name twice', () => {
    for (const [cls] of reference) {
      const elements = [...cls.properties, ...cls.methods.flatMap((method) => method.parameters)];
      for (const element of elements) {
        expect(element.embeddedClass !== undefined).toBe(element.type === 'object');
        expect(element.description).not.toBe('');
      }
      for (const names of [cls.properties, cls.methods, ...cls.methods.map((method) => method.parameters)]) {
        expect(new Set(names.map(({ name }) => name.toLowerCase())).size).toBe(names.length);
      }
    }
  });
});

describe('look-ups', () => {
  const schema = new CimSchema([bitsClientFileClass, bitsClientJobClass, carmineEndedJobClass]);

  it.each(['root\\Microsoft\\BITS', 'root/microsoft/bits', '\\root\\MICROSOFT\\bits\\', ' ROOT/Microsoft/BITS '])(
    'namespace %j is the BITS namespace',
    (spelling) => {
      expect(normaliseNamespace(spelling)).toBe('root\\microsoft\\bits');
      expect(schema.hasNamespace(spelling)).toBe(true);
      expect(schema.findClass(spelling, 'BITSCLIENTJOB')).toBe(bitsClientJobClass);
      expect(schema.classesIn(spelling)).toEqual([bitsClientFileClass, bitsClientJobClass]);
    },
  );

  it('finds nothing where there is nothing', () => {
    expect(schema.hasNamespace('root')).toBe(false);
    expect(schema.findClass('root\\cimv2', 'BitsClientJob')).toBeUndefined();
    expect(schema.findClass('root\\microsoft\\bits', 'CarmineEndedJob')).toBeUndefined();
    expect(schema.classesIn('root\\cimv2')).toEqual([]);
  });

  it('splits parameters by direction and finds keys', () => {
    const getError = findByName(bitsClientJobClass.methods, 'geterror')!;
    expect(inParameters(getError).map(({ name }) => name)).toEqual(['LanguageId']);
    expect(outParameters(getError).map(({ name }) => name)).toEqual([
      'ErrorContext',
      'ErrorCode',
      'ContextDescription',
      'ErrorDescription',
    ]);
    expect(keyProperties(bitsClientJobClass).map(({ name }) => name)).toEqual(['JobId']);
    expect(keyProperties(bitsClientFileClass)).toEqual([]);
  });
});
