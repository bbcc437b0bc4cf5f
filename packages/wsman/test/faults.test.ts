import { CarmineError, type ErrorCode } from '@carmine/errors';
import { describe, expect, it } from 'vitest';
import { readFault } from '../src/client/read-fault.ts';
import { errorFromFault, type FaultPlace, faultFromError } from '../src/protocol/fault-mapping.ts';
import { type FaultName, faultTable } from '../src/protocol/faults.ts';
import { faultActions, namespaces } from '../src/protocol/names.ts';
import { writeFault } from '../src/protocol/write-envelope.ts';
import {
  admin,
  dmtf,
  enumeration,
  envelope,
  type RequestParts,
  readAnswer,
  testServer,
  transfer,
  user,
  wmi,
  wql,
} from './support.ts';

const head = { messageId: 'uuid:1', relatesTo: 'uuid:2' };
const roundTrip = (fault: Parameters<typeof writeFault>[1]) => {
  const answer = readAnswer({
    status: 500,
    contentType: 'application/soap+xml;charset=UTF-8',
    body: new TextEncoder().encode(writeFault(head, fault, 'host')),
  });
  return { answer, fault: readFault(answer.body!) };
};

describe('the fault table', () => {
  it.each(Object.keys(faultTable) as FaultName[])('%s goes out and comes in', (name) => {
    const { answer, fault } = roundTrip({ name });
    const row: { subcode?: string; detail?: string; code: number } = faultTable[name];
    expect(fault.name).toBe(name);
    if (name !== 'mustUnderstand') expect(fault.code).toBe(row.code);
    const prefix = (row.subcode ?? 's').split(':')[0] as keyof typeof faultActions;
    expect(answer.action).toBe(faultActions[prefix]);
    expect(answer.text.length).toBeLessThan(4096);
  });

  it('has every code once for each subcode and detail', () => {
    const keys = Object.values(faultTable).map((row: { subcode?: string; detail?: string; code: number }) =>
      [row.subcode, row.detail, row.code].join('|'),
    );
    expect(new Set(keys).size).toBe(keys.length);
  });
});

describe('errors survive the way over the wire', () => {
  const places: readonly (readonly [ErrorCode, FaultPlace])[] = [
    ['cim/not-found', 'operation'],
    ['cim/invalid-namespace', 'operation'],
    ['cim/invalid-class', 'operation'],
    ['cim/invalid-class', 'filter'],
    ['cim/invalid-method', 'operation'],
    ['cim/invalid-method-parameters', 'parameters'],
    ['cim/invalid-parameter', 'parameters'],
    ['cim/invalid-parameter', 'selectors'],
    ['cim/type-mismatch', 'parameters'],
    ['cim/type-mismatch', 'selectors'],
    ['cim/type-mismatch', 'representation'],
    ['cim/type-mismatch', 'filter'],
    ['cim/invalid-object-path', 'operation'],
    ['cim/missing-keys', 'operation'],
    ['cim/unexpected-keys', 'operation'],
    ['cim/invalid-query', 'filter'],
    ['cim/invalid-query-type', 'filter'],
    ['cim/not-supported', 'operation'],
    ['cim/not-supported', 'filter'],
    ['cim/read-only', 'representation'],
    ['cim/key-changed', 'representation'],
    ['cim/failed', 'operation'],
    ['auth/access-denied', 'operation'],
    ['job/invalid-state', 'operation'],
    ['job/too-many-jobs', 'operation'],
    ['job/invalid-argument', 'representation'],
    ['job/string-too-long', 'representation'],
    ['internal/shutting-down', 'operation'],
  ];
  it.each(places)('%s in %s', (code, place) => {
    const error = new CarmineError(code);
    const there = errorFromFault(roundTrip(faultFromError(error, place)).fault, 1);
    expect([there.code, there.hresult, there.kind]).toEqual([error.code, error.hresult, error.kind]);
  });

  it('tells peers nothing of paths and causes', () => {
    for (const error of [
      new CarmineError('file/not-found', { context: { path: '/srv/secret' } }),
      new CarmineError('url/outside-roots', { context: { path: '/srv/secret' } }),
      new CarmineError('cim/failed', { context: { reason: '/srv/secret' } }),
      new Error('/srv/secret'),
      '/srv/secret',
    ])
      expect(writeFault(head, faultFromError(error, 'operation'), 'host')).not.toContain('secret');
  });
});

describe('faults of other servers', () => {
  const detail = (inner: string) =>
    `<s:Envelope xmlns:s="${namespaces.s}" xmlns:w="${namespaces.w}" xmlns:a="${namespaces.a}"><s:Header/><s:Body><s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>w:InternalError</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang="">The text. </s:Text></s:Reason>${inner}</s:Fault></s:Body></s:Envelope>`;
  const wmiError = 'http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/MSFT_WmiError';
  const cases: readonly (readonly [string, string, ErrorCode, number | undefined])[] = [
    ['no detail', '', 'cim/failed', 0x80041001],
    [
      'MSFT_WmiError with error_Code',
      `<s:Detail><p:MSFT_WmiError xmlns:p="${wmiError}"><p:CIMStatusCode>6</p:CIMStatusCode><p:error_Code>2147749890</p:error_Code></p:MSFT_WmiError></s:Detail>`,
      'cim/not-found',
      0x80041002,
    ],
    [
      'MSFT_WmiError with MessageID',
      `<s:Detail><p:MSFT_WmiError xmlns:p="${wmiError}"><p:MessageID>HRESULT 0x80041010</p:MessageID></p:MSFT_WmiError></s:Detail>`,
      'cim/invalid-class',
      0x80041010,
    ],
    [
      'OMI_Error',
      `<s:Detail><p:OMI_Error xmlns:p="${dmtf}/OMI_Error"><p:MessageID>OMI:MI_Result:5</p:MessageID></p:OMI_Error></s:Detail>`,
      'cim/invalid-class',
      0x80041010,
    ],
    [
      'a provider fault',
      `<s:Detail><f:WSManFault xmlns:f="${namespaces.f}" Code="2150858752" Machine="h"><f:Message><f:ProviderFault provider="WMI Provider" path="x"><f:WSManFault Code="2147749902" Machine="h"><f:Message>m</f:Message></f:WSManFault></f:ProviderFault></f:Message></f:WSManFault></s:Detail>`,
      'cim/invalid-namespace',
      0x8004100e,
    ],
    [
      'an HRESULT as code',
      `<s:Detail><f:WSManFault xmlns:f="${namespaces.f}" Code="2147749889" Machine=""><f:Message>m</f:Message></f:WSManFault></s:Detail>`,
      'cim/failed',
      0x80041001,
    ],
  ];
  it.each(cases)('%s', (_, inner, code, hresult) => {
    const { body } = readAnswer({ status: 500, contentType: undefined, body: new TextEncoder().encode(detail(inner)) });
    const error = errorFromFault(readFault(body!), 1);
    expect([error.code, error.hresult, error.message]).toEqual([code, hresult, 'The text.']);
  });
});

describe('unusual and malformed requests', () => {
  const keyed = { selectors: { JobId: '{00000000-0000-4000-8000-000000000001}' } };
  const xml = (text: string) => ({ text });
  const put = (body: string): RequestParts => ({ ...keyed, action: `${transfer}/Put`, body });
  const job = (inner: string) => `<p:BitsClientJob xmlns:p="${wmi}/BitsClientJob">${inner}</p:BitsClientJob>`;
  const enumerate = (inner: string, more: RequestParts = {}): RequestParts => ({
    action: `${enumeration}/Enumerate`,
    body: `<n:Enumerate>${inner}</n:Enumerate>`,
    ...more,
  });
  const call = (method: string, inner: string, more: RequestParts = {}): RequestParts => ({
    action: `${wmi}/BitsClientJob/${method}`,
    body: `<p:${method}_INPUT xmlns:p="${wmi}/BitsClientJob">${inner}</p:${method}_INPUT>`,
    ...more,
  });
  const shell = 'http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd';
  const cimXml = 'http://schemas.dmtf.org/wbem/cim-xml/2/cim-schema/2';
  const fragment = (path: string, more = '') =>
    `<w:FragmentTransfer s:mustUnderstand="true"${more}>${path}</w:FragmentTransfer>`;
  const associated = (inner: string) =>
    enumerate(
      `<w:Filter Dialect="http://schemas.dmtf.org/wbem/wsman/1/cimbinding/associationFilter">${inner}</w:Filter>`,
      { uri: 'http://schemas.dmtf.org/wbem/wscim/1/*', selectors: { __cimnamespace: 'root/microsoft/bits' } },
    );
  const good = envelope(keyed);
  const file = '<p:RemoteUrl>http://o/</p:RemoteUrl><p:LocalFile>/x</p:LocalFile>';

  const table: readonly (readonly [string, RequestParts | { text: string }, FaultName | 'ok'])[] = [
    ['nothing', xml(''), 'schemaValidation'],
    ['no XML', xml('hello'), 'schemaValidation'],
    ['a DTD', xml(`<!DOCTYPE s:Envelope [<!ENTITY x "y">]>${good}`), 'schemaValidation'],
    ['a processing instruction', xml(`<?evil do?>${good}`), 'schemaValidation'],
    ['an unknown entity', xml(good.replace('uuid:AAAA', '&x;')), 'schemaValidation'],
    ['a reference to an illegal character', xml(good.replace('uuid:AAAA', '&#0;')), 'schemaValidation'],
    ['an undeclared prefix', xml(good.replace('<s:Body/>', '<s:Body><q:X/></s:Body>')), 'schemaValidation'],
    ['an element that is not closed', xml(good.replace('</s:Envelope>', '')), 'schemaValidation'],
    ['an attribute twice', xml(good.replace('Name="JobId"', 'Name="JobId" Name="JobId"')), 'schemaValidation'],
    ['something after the root', xml(`${good}<x/>`), 'schemaValidation'],
    ['another root', xml('<x/>'), 'schemaValidation'],
    ['SOAP 1.1', xml(good.replace(namespaces.s, 'http://schemas.xmlsoap.org/soap/envelope/')), 'versionMismatch'],
    ['no body', xml(good.replace('<s:Body/>', '')), 'schemaValidation'],
    ['two bodies', xml(good.replace('<s:Body/>', '<s:Body/><s:Body/>')), 'schemaValidation'],
    ['two things in the body', { ...keyed, body: '<x/><y/>' }, 'schemaValidation'],
    ['deep nesting', { ...keyed, body: '<x>'.repeat(60) + '</x>'.repeat(60) }, 'encodingLimit'],
    [
      'a header that must be understood',
      { ...keyed, headers: '<q:Z xmlns:q="urn:z" s:mustUnderstand="1"/>' },
      'mustUnderstand',
    ],
    ['a header that need not be', { ...keyed, headers: '<q:Z xmlns:q="urn:z" s:mustUnderstand="0"/>' }, 'ok'],
    [
      'a header with un-namespaced mustUnderstand',
      { ...keyed, headers: '<q:Z xmlns:q="urn:z" mustUnderstand="true"/>' },
      'ok',
    ],
    [
      'a header for another node',
      { ...keyed, headers: '<q:Z xmlns:q="urn:z" s:mustUnderstand="1" s:role="urn:other"/>' },
      'ok',
    ],
    [
      'an empty OptionSet that must be understood',
      { ...keyed, headers: '<w:OptionSet s:mustUnderstand="true"/>' },
      'ok',
    ],
    [
      'an unknown option that must be complied with',
      { ...keyed, headers: '<w:OptionSet><w:Option Name="x" MustComply="true">1</w:Option></w:OptionSet>' },
      'ok',
    ],
    [
      'an endless option',
      { ...keyed, headers: `<w:OptionSet><w:Option Name="x">${'1'.repeat(5000)}</w:Option></w:OptionSet>` },
      'optionLimit',
    ],
    ['no To', { ...keyed, to: null }, 'headerRequired'],
    ['no Action', { ...keyed, action: null }, 'headerRequired'],
    ['no MessageID', { ...keyed, messageId: null }, 'invalidHeader'],
    ['an empty MessageID', { ...keyed, messageId: ' ' }, 'invalidHeader'],
    ['an endless MessageID', { ...keyed, messageId: 'x'.repeat(3000) }, 'invalidHeader'],
    ['no ReplyTo', { ...keyed, replyTo: null }, 'headerRequired'],
    ['a ReplyTo elsewhere', { ...keyed, replyTo: 'http://elsewhere/' }, 'addressingMode'],
    [
      'a FaultTo elsewhere',
      { ...keyed, headers: '<a:FaultTo><a:Address>http://elsewhere/</a:Address></a:FaultTo>' },
      'addressingMode',
    ],
    ['a header twice', { ...keyed, headers: '<a:To>http://x/</a:To>' }, 'invalidHeader'],
    ['a bad time-out', { ...keyed, headers: '<w:OperationTimeout>soon</w:OperationTimeout>' }, 'invalidTimeout'],
    ['a time-out of nothing', { ...keyed, headers: '<w:OperationTimeout>PT0S</w:OperationTimeout>' }, 'invalidTimeout'],
    ['every form of time-out', { ...keyed, headers: '<w:OperationTimeout> PT1M30.5S\n</w:OperationTimeout>' }, 'ok'],
    [
      'a small MaxEnvelopeSize',
      { ...keyed, headers: '<w:MaxEnvelopeSize>8191</w:MaxEnvelopeSize>' },
      'minimumEnvelopeLimit',
    ],
    ['a bad MaxEnvelopeSize', { ...keyed, headers: '<w:MaxEnvelopeSize>big</w:MaxEnvelopeSize>' }, 'invalidHeader'],
    ['a huge MaxEnvelopeSize', { ...keyed, headers: '<w:MaxEnvelopeSize>999999999</w:MaxEnvelopeSize>' }, 'ok'],
    ['no resource URI', { uri: null }, 'invalidResourceUri'],
    ['a shell', { uri: shell, action: `${transfer}/Create`, body: '<x/>' }, 'invalidResourceUri'],
    [
      'a method of a shell',
      { uri: shell, action: 'http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Command' },
      'invalidResourceUri',
    ],
    ['a class without its name', { uri: `${cimXml}/*` }, 'insufficientSelectors'],
    ['a class by a key', { uri: `${cimXml}/*`, ...keyed }, 'unexpectedSelectors'],
    ['two classes', { uri: `${cimXml}/BitsClientFile`, selectors: { ClassName: 'BitsClientJob' } }, 'selectorValue'],
    ['a class that is none', { uri: `${cimXml}/*`, selectors: { ClassName: 'Nothing' } }, 'resourceNotFound'],
    ['a class in another namespace', { uri: `${cimXml}/*`, selectors: { __cimnamespace: 'x' } }, 'resourceNotFound'],
    ['Put of a class', { uri: `${cimXml}/BitsClientJob`, action: `${transfer}/Put` }, 'actionMismatch'],
    [
      'a filter on classes',
      enumerate(`<w:Filter Dialect="${wql}">x</w:Filter>`, { uri: `${cimXml}/*` }),
      'filteringNotSupported',
    ],
    [
      'paths of classes',
      enumerate('', {
        uri: `${cimXml}/*`,
        headers: '<w:OptionSet><w:Option Name="IncludePath">true</w:Option></w:OptionSet>',
      }),
      'optionNotSupported',
    ],
    ['a long URI', { uri: `${wmi}/${'x'.repeat(2100)}` }, 'uriLimitExceeded'],
    ['an unknown class', { uri: `${wmi}/Nothing` }, 'resourceNotFound'],
    [
      'an unknown namespace',
      { uri: 'http://schemas.microsoft.com/wbem/wsman/1/wmi/root/nothing/BitsClientJob' },
      'resourceNotFound',
    ],
    ['two namespaces', { selectors: { __cimnamespace: 'root/cimv2' } }, 'namespaceConflict'],
    ['the same namespace twice', { selectors: { ...keyed.selectors, __cimnamespace: '/ROOT\\microsoft/bits' } }, 'ok'],
    ['no selectors', {}, 'keysRequired'],
    ['a wrong selector', { selectors: { ...keyed.selectors, State: '1' } }, 'unexpectedSelectors'],
    ['only a wrong selector', { selectors: { Nothing: '1' } }, 'unexpectedSelectors'],
    ['a selector twice', { selectors: { ...keyed.selectors, jobid: '1' } }, 'duplicateSelectors'],
    ['a long selector', { selectors: { JobId: 'x'.repeat(5000) } }, 'selectorLimit'],
    [
      'a selector without a name',
      { selectorSet: '<w:SelectorSet><w:Selector>1</w:Selector></w:SelectorSet>' },
      'schemaValidation',
    ],
    ['a selector with white space', { selectors: { JobId: '\n {00000000-0000-4000-8000-000000000001}\t' } }, 'ok'],
    ['an unknown instance', { selectors: { JobId: '{11111111-1111-4111-8111-111111111111}' } }, 'resourceNotFound'],
    ['an unknown action', { ...keyed, action: 'http://example.com/Dance' }, 'actionNotSupported'],
    ['an endless action', { ...keyed, action: `http://example.com/${'x'.repeat(4096)}` }, 'malformedAction'],
    [
      'an endless ActivityId',
      { ...keyed, headers: `<p:ActivityId>${'x'.repeat(2049)}</p:ActivityId>` },
      'invalidHeader',
    ],
    [
      'headers that mean nothing here',
      {
        ...keyed,
        headers:
          '<a:From><a:Address>urn:x</a:Address></a:From><w:RequestEPR s:mustUnderstand="true"/><w:RequestTotalItemsCountEstimate s:mustUnderstand="true"/>',
      },
      'ok',
    ],
    ['GetStatus of an enumeration', { action: `${enumeration}/GetStatus` }, 'actionNotSupported'],
    [
      'a reference for a key',
      { selectorSet: '<w:SelectorSet><w:Selector Name="JobId"><a:EndpointReference/></w:Selector></w:SelectorSet>' },
      'selectorTypeMismatch',
    ],
    [
      'all classes with a selector and WQL',
      enumerate(`<w:Filter Dialect="${wql}">select * from BitsClientJob</w:Filter>`, { uri: `${wmi}/*`, ...keyed }),
      'wqlNeedsAllClasses',
    ],
    ['a class name that is none', { uri: `${wmi}/Bits-ClientJob` }, 'invalidResourceUri'],
    ['only a prefix', { uri: 'http://schemas.microsoft.com/wbem/wsman/1/wmi/' }, 'invalidResourceUri'],
    ['the configuration of WinRM', { uri: 'http://schemas.microsoft.com/wbem/wsman/1/config' }, 'invalidResourceUri'],
    ['Get on all classes', { uri: `${wmi}/*` }, 'actionMismatch'],
    ['Create', { action: `${transfer}/Create`, body: job('') }, 'actionMismatch'],
    ['Delete of a job', { ...keyed, action: `${transfer}/Delete` }, 'actionMismatch'],
    ['Subscribe', { action: 'http://schemas.xmlsoap.org/ws/2004/08/eventing/Subscribe' }, 'actionMismatch'],
    ['Renew of an enumeration', { action: `${enumeration}/Renew` }, 'actionNotSupported'],
    ['a fragment', { ...keyed, headers: fragment('State') }, 'ok'],
    [
      'a fragment of a method call',
      { ...call('SetJobState', '', keyed), headers: fragment('State') },
      'fragmentLevelAccess',
    ],
    ['a fragment of an enumeration', enumerate('', { headers: fragment('State') }), 'fragmentLevelAccess'],
    [
      'a fragment to delete',
      { ...keyed, action: `${transfer}/Delete`, headers: fragment('State') },
      'fragmentLevelAccess',
    ],
    ['a fragment in another language', { ...keyed, headers: fragment('State', ' Dialect="urn:x"') }, 'fragmentDialect'],
    ['an absolute fragment', { ...keyed, headers: fragment('/State') }, 'fragmentPath'],
    ['a fragment outside', { ...keyed, headers: fragment('../State') }, 'fragmentPath'],
    ['an empty fragment', { ...keyed, headers: fragment('') }, 'fragmentPath'],
    ['a fragment that is an attribute', { ...keyed, headers: fragment('State/@x') }, 'fragmentPath'],
    ['a fragment that no job has', { ...keyed, headers: fragment('Nothing') }, 'fragmentPath'],
    ['a fragment inside a number', { ...keyed, headers: fragment('State/Nothing') }, 'fragmentPath'],
    ['the text of an object', { ...keyed, headers: fragment('Files/text()') }, 'fragmentPath'],
    ['a fragment of no instance', { headers: fragment('State') }, 'keysRequired'],
    [
      'Put of a fragment without its wrapper',
      { ...put(job('<p:Priority>1</p:Priority>')), headers: fragment('Priority') },
      'invalidFragment',
    ],
    [
      'Put of another fragment',
      { ...put('<w:XmlFragment><Description>1</Description></w:XmlFragment>'), headers: fragment('Priority') },
      'invalidFragment',
    ],
    ['Put of an empty fragment', { ...put('<w:XmlFragment/>'), headers: fragment('Priority') }, 'invalidFragment'],
    [
      'Put of an element as text',
      { ...put('<w:XmlFragment><x/></w:XmlFragment>'), headers: fragment('Priority/text()') },
      'invalidFragment',
    ],
    [
      'Put of a bad text',
      { ...put('<w:XmlFragment>x</w:XmlFragment>'), headers: fragment('Priority/text()') },
      'representationValues',
    ],
    [
      'Put of a read-only fragment',
      { ...put('<w:XmlFragment>1</w:XmlFragment>'), headers: fragment('State/text()') },
      'representationValues',
    ],
    [
      'Put of a key as fragment',
      { ...put('<w:XmlFragment>1</w:XmlFragment>'), headers: fragment('JobId/text()') },
      'keysChanged',
    ],
    ['Put of one of several files', { ...put('<w:XmlFragment/>'), headers: fragment('Files[1]') }, 'fragmentPath'],
    [
      'Put of a fragment to a class without writable properties',
      {
        uri: `${wmi}/BitsCompactServerUrlGroup`,
        selectors: { UrlGroup: 'http://+:1/' },
        action: `${transfer}/Put`,
        body: '<w:XmlFragment>x</w:XmlFragment>',
        headers: fragment('UrlGroup/text()'),
      },
      'actionMismatch',
    ],
    [
      'a fragment that may be ignored',
      { ...keyed, headers: '<w:FragmentTransfer>State</w:FragmentTransfer>' },
      'invalidHeader',
    ],
    [
      'a locale that must be',
      xml(
        good.replace(
          '<w:Locale xml:lang="en-US" s:mustUnderstand="false"',
          '<w:Locale xml:lang="en-US" s:mustUnderstand="true"',
        ),
      ),
      'locale',
    ],
    [
      'a data locale that must be',
      xml(
        good.replace('<p:DataLocale xml:lang="en-US" s:mustUnderstand="false"', '<p:DataLocale s:mustUnderstand="1"'),
      ),
      'dataLocale',
    ],
    ['Put without a body', put(''), 'invalidRepresentation'],
    ['Put of another class', put('<x/>'), 'invalidRepresentation'],
    ['Put in another namespace', put(`<p:BitsClientJob xmlns:p="${wmi}/BitsClientFile"/>`), 'representationNamespace'],
    ['Put of an unknown property', put(job('<p:Nothing>1</p:Nothing>')), 'representationValues'],
    ['Put of a bad value', put(job('<p:Priority>much</p:Priority>')), 'representationValues'],
    ['Put of a value out of range', put(job('<p:Priority>4294967296</p:Priority>')), 'representationValues'],
    ['Put of a value that means nothing', put(job('<p:Priority>9</p:Priority>')), 'representationValues'],
    [
      'Put of a fragment that means nothing',
      { ...put('<w:XmlFragment>9</w:XmlFragment>'), headers: fragment('Priority/text()') },
      'representationValues',
    ],
    ['Put of elements for text', put(job('<p:Priority><x/></p:Priority>')), 'representationValues'],
    ['Put of another key', put(job('<p:JobId>x</p:JobId>')), 'keysChanged'],
    ['Put of a read-only property', put(job('<p:State>7</p:State>')), 'ok'],
    ['Put of nothing', put(job('')), 'ok'],
    [
      'Put to a class without writable properties',
      {
        uri: `${wmi}/BitsCompactServerUrlGroup`,
        selectors: { UrlGroup: 'http://+:1/' },
        action: `${transfer}/Put`,
        body: '<BitsCompactServerUrlGroup/>',
      },
      'actionMismatch',
    ],
    ['Enumerate without its element', { action: `${enumeration}/Enumerate` }, 'schemaValidation'],
    ['Enumerate with keys', enumerate('', keyed), 'keysOnEnumerate'],
    ['Enumerate of everything', enumerate('', { uri: `${wmi}/*` }), 'actionMismatch'],
    ['Enumerate of an embedded class', enumerate('', { uri: `${wmi}/BitsClientFile` }), 'actionMismatch'],
    ['Enumerate in an unknown mode', enumerate('<w:EnumerationMode>X</w:EnumerationMode>'), 'enumerationMode'],
    [
      'Enumerate with an unknown polymorphism',
      enumerate(`<b:PolymorphismMode xmlns:b="${namespaces.b}">Some</b:PolymorphismMode>`),
      'polymorphismMode',
    ],
    [
      'Enumerate with a known polymorphism',
      enumerate(`<b:PolymorphismMode xmlns:b="${namespaces.b}"> None </b:PolymorphismMode>`),
      'ok',
    ],
    ['Enumerate that never expires', enumerate('<n:Expires>soon</n:Expires>'), 'invalidEnumerationExpiration'],
    ['Enumerate that has expired', enumerate('<n:Expires>-PT1S</n:Expires>'), 'invalidEnumerationExpiration'],
    ['Enumerate that expires', enumerate('<n:EndTo/><n:Expires>PT600.000000S</n:Expires>'), 'ok'],
    ['Enumerate that expires on a day', enumerate('<n:Expires>2040-01-01T00:00:00Z</n:Expires>'), 'ok'],
    ['Enumerate with bad WQL', enumerate(`<w:Filter Dialect="${wql}">select</w:Filter>`), 'cannotProcessFilter'],
    [
      'Enumerate with WQL for associators of nothing',
      enumerate(`<w:Filter Dialect="${wql}">associators of {BitsClientJob}</w:Filter>`, { uri: `${wmi}/*` }),
      'cannotProcessFilter',
    ],
    ['an association filter without its element', associated(''), 'cannotProcessFilter'],
    ['an association filter of another kind', associated('<x/>'), 'cannotProcessFilter'],
    [
      'an association filter without an object',
      associated(`<b:AssociatedInstances xmlns:b="${namespaces.b}"/>`),
      'cannotProcessFilter',
    ],
    ['Enumerate with XPath', enumerate('<w:Filter>/x</w:Filter>'), 'dialectUnavailable'],
    [
      'Enumerate with two filters',
      enumerate(`<w:Filter Dialect="${wql}">x</w:Filter><n:Filter Dialect="${wql}">x</n:Filter>`),
      'cannotProcessFilter',
    ],
    [
      'Enumerate with WQL and keys',
      enumerate(`<w:Filter Dialect="${wql}">select * from BitsClientJob</w:Filter>`, keyed),
      'wqlNeedsAllClasses',
    ],
    [
      'Enumerate with WQL on a class',
      enumerate(`<w:Filter Dialect="${wql}">select * from BitsClientJob</w:Filter>`),
      'ok',
    ],
    [
      'Enumerate with MaxElements 0',
      enumerate('<w:OptimizeEnumeration/><w:MaxElements>0</w:MaxElements>'),
      'schemaValidation',
    ],
    ['Pull of nothing', { action: `${enumeration}/Pull`, body: '<n:Pull/>' }, 'invalidEnumerationContext'],
    [
      'Pull of no characters',
      {
        action: `${enumeration}/Pull`,
        body: '<n:Pull><n:EnumerationContext>x</n:EnumerationContext><n:MaxCharacters>0</n:MaxCharacters></n:Pull>',
      },
      'invalidEnumerationContext',
    ],
    ['Pull without its element', { action: `${enumeration}/Pull`, body: '<n:Release/>' }, 'schemaValidation'],
    [
      'Release of an unknown context',
      {
        action: `${enumeration}/Release`,
        body: '<n:Release><n:EnumerationContext>x</n:EnumerationContext></n:Release>',
      },
      'invalidEnumerationContext',
    ],
    ['an unknown method', call('Explode', '', keyed), 'actionNotSupported'],
    [
      'a method of another class',
      { ...keyed, action: `${wmi}/BitsCompactServerUrlGroup/CreateUrlGroup` },
      'actionNotSupported',
    ],
    [
      'a method in the other form and another case',
      {
        ...call('', '', keyed),
        action: `${dmtf}/bitsclientjob/ADDFILE`,
        body: `<X_INPUT>${file.replaceAll('p:', '')}</X_INPUT>`,
      },
      'ok',
    ],
    ['an instance method without keys', call('AddFile', file), 'keysRequired'],
    ['a static method with keys', call('CreateJob', `<p:displayname>x</p:displayname>${file}`, keyed), 'ok'],
    ['a method without a parameter', call('CreateJob', '<p:DisplayName>x</p:DisplayName>'), 'parameterName'],
    ['a method with an unknown parameter', call('CreateJob', `<p:Nothing>x</p:Nothing>`), 'parameterName'],
    [
      'a method with a bad parameter',
      call('SetJobState', '<p:JobState>yes</p:JobState>', keyed),
      'parameterTypeMismatch',
    ],
    [
      'a method with a parameter twice',
      call('SetJobState', '<p:JobState>1</p:JobState><p:JobState>1</p:JobState>', keyed),
      'parameterTypeMismatch',
    ],
    [
      'a method with nil for a required parameter',
      call('SetJobState', '<p:JobState xsi:nil="true"/>', keyed),
      'parameterName',
    ],
    [
      'base64 that is none',
      call(
        'SetClientCertificateById',
        '<p:CertStoreLocation>0</p:CertStoreLocation><p:StoreName>MY</p:StoreName><p:CertHash xsi:type="cim:cimBase64Binary">%%</p:CertHash>',
        keyed,
      ),
      'parameterTypeMismatch',
    ],
    [
      'a method without parameters and an empty body',
      { ...keyed, action: `${wmi}/BitsClientJob/RemoveClientCertificate` },
      'ok',
    ],
    [
      'comments and CDATA',
      xml(good.replace('<a:To>', '<!-- c --><a:To>').replace('{00000000', '<![CDATA[{0000]]>0000')),
      'ok',
    ],
  ];

  it.each(table)('%s', async (_, request, expected) => {
    const { send, jobs } = testServer();
    await jobs.createJob({ displayName: 'x', remoteUrl: 'http://o/', localFile: '/x' });
    const text = 'text' in request ? request.text : envelope(request);
    const answer = await send(text);
    if (expected === 'ok') {
      expect(answer.text).not.toContain('s:Fault');
      expect(answer.status).toBe(200);
    } else {
      expect(answer.status).toBe(500);
      const fault = readFault(answer.body!);
      expect([fault.name, fault.text]).toEqual([expected, expect.any(String)]);
    }
    const denied = await send(text, user);
    expect(denied.status).toBe(500);
    expect(readFault(denied.body!).name).toBe('accessDenied');
    expect(denied.relatesTo).toBe(answer.relatesTo);
  });

  it('every row of the fault table that this service sends has a request, here or in the named file', () => {
    const here = new Set(table.map(([, , expected]) => expected));
    const rows = Object.keys(faultTable) as FaultName[];
    expect(rows.filter((name) => !here.has(name)).sort()).toEqual(Object.keys(elsewhere).sort());
  });

  it('names the header that it does not understand', async () => {
    const { send } = testServer();
    const { text } = await send(envelope({ headers: '<q:Z xmlns:q="urn:z&amp;" s:mustUnderstand="true"/>' }));
    expect(text).toContain('<s:NotUnderstood qname="q:Z" xmlns:q="urn:z&amp;"/>');
    expect(text).not.toContain('s:Detail');
    expect(text).not.toContain('s:Subcode');
  });

  it('keeps RelatesTo byte for byte and echoes reference parameters', async () => {
    const { send } = testServer();
    const parameters =
      '<a:ReferenceParameters><q:Me xmlns:q="urn:q" q:a="1">you &amp; me</q:Me></a:ReferenceParameters></a:ReplyTo>';
    const { root, relatesTo } = await send(
      envelope({
        action: `${enumeration}/Enumerate`,
        body: '<n:Enumerate/>',
        messageId: 'Ä&lt;b&gt; "x"',
      }).replace('</a:ReplyTo>', parameters),
    );
    expect(relatesTo).toBe('Ä<b> "x"');
    const me = root.children[0]?.children.find((item) => item.uri === 'urn:q');
    expect([me?.local, me?.text, me?.attributes]).toEqual([
      'Me',
      'you & me',
      [{ uri: 'urn:q', local: 'a', value: '1' }],
    ]);
  });

  it('refuses what is not protected, too large, or not SOAP, with HTTP alone', async () => {
    const { server } = testServer();
    const body = new TextEncoder().encode(good);
    const run = async (changes: Partial<Parameters<typeof server.handle>[0]>) => {
      const { status, body: answer } = await server.handle({
        body,
        contentType: 'application/soap+xml',
        token: admin,
        ...changes,
      });
      return [status, answer.length > 0];
    };
    expect(await run({ token: { ...admin, protectedChannel: false } })).toEqual([500, false]);
    expect(await run({ body: new Uint8Array(600_000) })).toEqual([413, false]);
    expect(await run({ contentType: 'text/html' })).toEqual([415, false]);
    expect(await run({ contentType: 'application/soap+xml;charset=UTF-16' })).toEqual([400, false]);
    expect(
      await run({ body: Uint8Array.of(0xff, 0xfe, 0x3c, 0), contentType: 'application/soap+xml;charset=UTF-8' }),
    ).toEqual([400, false]);
    expect(await run({ body: Uint8Array.of(0xff, 0xff) })).toEqual([400, false]);
    expect(await run({ contentType: 'application/soap+xml;charset=koi8-r' })).toEqual([500, true]);
    expect(await run({ soapAction: '"urn:other"' })).toEqual([500, true]);
  });

  it.each(['utf-16le', 'utf-16be'] as const)('answers %s in kind', async (encoding) => {
    const { encodeText, decodeText } = await import('../src/xml/encoding.ts');
    const { server } = testServer();
    const response = await server.handle({
      body: encodeText(good, encoding),
      contentType: 'application/soap+xml;charset=UTF-16',
      token: admin,
    });
    expect(response.contentType).toBe('application/soap+xml;charset=UTF-16');
    expect(decodeText(response.body, 'utf-16')).toMatchObject({
      encoding,
      text: expect.stringContaining('DestinationUnreachable') as string,
    });
  });
});

/** Rows that no request of the table above asks for: which test does, or why nothing does. */
const elsewhere: Readonly<Partial<Record<FaultName, string>>> = {
  accessDenied: 'every request of the table, by somebody who may not manage',
  characterSet: 'refuses what is not protected, too large, or not SOAP',
  alreadyExists: 'never sent: no class can be created; read by the client',
  concurrency: 'never sent: nothing is locked; read by the client',
  internalError: 'operations.test.ts',
  endpointUnavailable: 'operations.test.ts',
  invalidParameter: 'operations.test.ts',
  invalidSelectors: 'operations.test.ts',
  timedOut: 'operations.test.ts',
  pullInProgress: 'operations.test.ts',
  quotaLimit: 'operations.test.ts',
  tooManyOperations: 'operations.test.ts',
  maxEnvelopeSizeExceeded: 'operations.test.ts',
  serviceEnvelopeLimit: 'operations.test.ts',
  unreportableSuccess: 'operations.test.ts',
  bookmarks: 'eventing.test.ts',
  cannotProcessEventFilter: 'eventing.test.ts',
  deliveryModeUnavailable: 'eventing.test.ts',
  eventDialectUnavailable: 'eventing.test.ts',
  eventFilterRequired: 'eventing.test.ts',
  eventSourceUnable: 'eventing.test.ts',
  formatMismatch: 'eventing.test.ts',
  invalidEventMessage: 'eventing.test.ts',
  invalidExpirationTime: 'eventing.test.ts',
  invalidHeartbeats: 'eventing.test.ts',
  unableToRenew: 'eventing.test.ts',
  unsupportedExpirationType: 'eventing.test.ts',
  deliverToUnusable: 'push.test.ts',
  deliveryRefused: 'push.test.ts: what a sink says',
  deliveryRetries: 'push.test.ts',
  notifyToAddress: 'push.test.ts',
  notifyToMissing: 'push.test.ts',
};
