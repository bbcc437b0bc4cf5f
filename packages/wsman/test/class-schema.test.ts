import { carmineUrlGroupClass, createDispatcher } from '@carmine/cim';
import { describe, expect, it } from 'vitest';
import type { XmlElement } from '../src/xml/element.ts';
import { enumeration, envelope, testServer, transfer, wmi } from './support.ts';

const cimXml = 'http://schemas.dmtf.org/wbem/cim-xml/2/cim-schema/2';
const selectors = { __cimnamespace: 'root/microsoft/bits' };
const options = (...names: string[]) =>
  `<w:OptionSet>${names.map((name) => `<w:Option Name="${name}" Type="xs:boolean">true</w:Option>`).join('')}</w:OptionSet>`;
const named = (element: XmlElement | undefined, local: string, name: string) =>
  element?.children.find((item) => item.local === local && item.attributes.some(({ value }) => value === name));
const attributes = (element: XmlElement | undefined) =>
  Object.fromEntries((element?.attributes ?? []).map(({ local, value }) => [local, value]));
const qualifiers = (element: XmlElement | undefined) =>
  (element?.children ?? [])
    .filter((item) => item.local === 'QUALIFIER')
    .map((item) => `${attributes(item)['NAME']}=${item.children[0]?.text}`);

describe('Get of a class (spec: section 8)', () => {
  it.each([
    [`${cimXml}/*`, { ...selectors, ClassName: 'bitsclientjob' }],
    [`${cimXml}/BitsClientJob`, selectors],
    [`${cimXml.toUpperCase()}/BITSCLIENTJOB`, {}],
  ])('%s', async (uri, given) => {
    const { send } = testServer();
    const { status, action, body } = await send(
      envelope({ uri, selectors: given, headers: options('IncludeClassOrigin') }),
    );
    expect([status, action]).toEqual([200, `${transfer}/GetResponse`]);
    expect([body?.local, body?.uri, attributes(body)]).toEqual(['CLASS', '', { NAME: 'BitsClientJob' }]);
    const [tags] = [[...new Set(body?.children.map(({ local }) => local))]];
    expect(tags).toEqual(['QUALIFIER', 'PROPERTY', 'PROPERTY.ARRAY', 'METHOD']);
    const key = named(body, 'PROPERTY', 'JobId');
    expect(attributes(key)).toEqual({ NAME: 'JobId', TYPE: 'string', CLASSORIGIN: 'BitsClientJob' });
    expect(qualifiers(key)).toEqual(expect.arrayContaining(['Key=TRUE', 'Read=TRUE']));
    expect(qualifiers(named(body, 'PROPERTY', 'Priority'))).toContain('Write=TRUE');
    const files = named(body, 'PROPERTY.ARRAY', 'Files');
    expect(attributes(files)).toMatchObject({ TYPE: 'string', EmbeddedObject: 'instance' });
    expect(qualifiers(files)).toContain('EmbeddedInstance=BitsClientFile');
    const create = named(body, 'METHOD', 'CreateJob');
    expect(attributes(create)).toEqual({ NAME: 'CreateJob', TYPE: 'uint32', CLASSORIGIN: 'BitsClientJob' });
    expect(qualifiers(create)).toContain('Static=TRUE');
    expect(qualifiers(named(create, 'PARAMETER', 'JobId'))).toEqual(expect.arrayContaining(['Out=TRUE']));
    expect(attributes(named(named(body, 'METHOD', 'SetClientCertificateById'), 'PARAMETER.ARRAY', 'CertHash'))).toEqual(
      {
        NAME: 'CertHash',
        TYPE: 'uint8',
      },
    );
  });

  it('without qualifiers when they are not wanted', async () => {
    const { send } = testServer();
    const headers = '<w:OptionSet><w:Option Name="includequalifiers">False</w:Option></w:OptionSet>';
    const { text } = await send(envelope({ uri: `${cimXml}/BitsClientFile`, selectors, headers }));
    expect(text).not.toMatch(/QUALIFIER|CLASSORIGIN/);
    expect(text).toContain('<CLASS NAME="BitsClientFile"><PROPERTY NAME="RemoteUrl" TYPE="string">');
  });
});

describe('Enumerate of classes', () => {
  const enumerate = (mode: string, given: Record<string, string> = selectors) =>
    envelope({
      uri: `${cimXml}/*`,
      selectors: given,
      headers: options(
        'IncludeInheritanceHierarchy',
        'IncludeInheritedElements',
        'IncludeQualifiers',
        'IncludeSubClasses',
      ),
      action: `${enumeration}/Enumerate`,
      body: `<n:Enumerate><w:OptimizeEnumeration/><w:MaxElements>32000</w:MaxElements><w:EnumerationMode>${mode}</w:EnumerationMode></n:Enumerate>`,
    });

  it('gives all of a namespace, or one', async () => {
    const { send } = testServer();
    const names = async (text: string) =>
      [...(await send(text)).text.matchAll(/<CLASS NAME="(\w+)"/g)].map(([, name]) => name);
    expect(await names(enumerate('EnumerateObject'))).toEqual([
      'BitsClientFile',
      'BitsClientJob',
      'BitsCompactServerUrlGroup',
    ]);
    expect(await names(enumerate('EnumerateObject', { ...selectors, ClassName: 'BitsClientFile' }))).toEqual([
      'BitsClientFile',
    ]);
    const carmine = await names(enumerate('EnumerateObject', { __cimnamespace: carmineUrlGroupClass.namespace }));
    expect(carmine).toContain(carmineUrlGroupClass.name);
  });

  it('with references that lead to them', async () => {
    const { send } = testServer();
    const { text } = await send(enumerate('EnumerateObjectAndEPR', { ...selectors, ClassName: 'BitsClientFile' }));
    expect(text).toContain('<w:Items><w:Item><CLASS NAME="BitsClientFile">');
    expect(text).toContain(
      `</CLASS><a:EndpointReference><a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address><a:ReferenceParameters><w:ResourceURI>${cimXml}/*</w:ResourceURI><w:SelectorSet><w:Selector Name="__cimnamespace">root/microsoft/bits</w:Selector><w:Selector Name="ClassName">BitsClientFile</w:Selector></w:SelectorSet></a:ReferenceParameters></a:EndpointReference></w:Item></w:Items><w:EndOfSequence/>`,
    );
    expect((await send(enumerate('EnumerateEPR'))).text).not.toContain('<CLASS');
  });

  it('one by one, where the context is not one of instances', async () => {
    const { send } = testServer();
    const start = { uri: `${cimXml}/*`, selectors, action: `${enumeration}/Enumerate`, body: '<n:Enumerate/>' };
    const context = (await send(envelope(start))).body?.children[0]?.text;
    const pull = {
      action: `${enumeration}/Pull`,
      body: `<n:Pull><n:EnumerationContext>${context}</n:EnumerationContext></n:Pull>`,
    };
    expect((await send(envelope({ uri: `${wmi}/*`, ...pull }))).text).toContain('MessageInformationHeaderRequired');
    expect((await send(envelope({ uri: `${cimXml}/*`, selectors, ...pull }))).text).toContain(
      '<n:Items><CLASS NAME="BitsClientFile">',
    );
  });

  it('without asking any provider', async () => {
    const jobs = new Proxy({}, { get: () => () => Promise.reject(new Error('must not be called')) });
    const { send } = testServer({ dispatcher: createDispatcher({ providers: { jobs: jobs as never } }) });
    expect((await send(enumerate('EnumerateObject'))).status).toBe(200);
  });
});
