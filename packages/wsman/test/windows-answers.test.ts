import { bitsClientJobClass, bitsNamespace, type CimClass, CimSchema } from '@carmine/cim';
import { describe, expect, it } from 'vitest';
import { createWsmanOperations, type ExchangeResponse } from '../src/index.ts';
import { anonymous, inMemoryClient, testServer, wmi } from './support.ts';

/** Answers in the shapes that captures of Windows have (spec: sections 6.1, 6.3, 6.5, 7.1, 7.7, 7.8, 11.2). */
const windows =
  '<s:Envelope xml:lang="en-US" xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:x="http://schemas.xmlsoap.org/ws/2004/09/transfer" xmlns:e="http://schemas.xmlsoap.org/ws/2004/08/eventing" xmlns:n="http://schemas.xmlsoap.org/ws/2004/09/enumeration" xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" xmlns:p="http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd">';
const header =
  '<s:Header><a:Action>urn:x</a:Action><a:MessageID>uuid:0F1D2C3B-0000-4000-8000-000000000001</a:MessageID><p:ActivityId>0F1D2C3B-0000-4000-8000-000000000002</p:ActivityId><a:To>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:To><a:RelatesTo>uuid:AAAAAAAA-0000-4000-8000-000000000000</a:RelatesTo></s:Header>';
const xsi =
  'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:cim="http://schemas.dmtf.org/wbem/wscim/1/common"';

const when: CimClass = {
  ...bitsClientJobClass,
  name: 'Win32_Moment',
  properties: (['At', 'Until', 'On', 'Some', 'Never'] as const).map((name) => ({
    name,
    type: 'datetime',
    array: false,
    key: false,
    writable: false,
    description: '',
  })),
};
const schema = new CimSchema([...testSchema(), when]);
function testSchema() {
  return testServer().dispatcher.schema.classes;
}

function answering(status: number, ...bodies: string[]) {
  let next = 0;
  return createWsmanOperations({
    to: 'http://h:5985/wsman',
    now: () => 0,
    uuid: () => 'aaaaaaaa-0000-4000-8000-000000000000',
    schema,
    exchange: async (): Promise<ExchangeResponse> => ({
      status,
      contentType: 'application/soap+xml;charset=UTF-8',
      body: new TextEncoder().encode(`${windows}${header}<s:Body>${bodies[next++]}</s:Body></s:Envelope>`),
    }),
  });
}
const path = { namespace: bitsNamespace, className: 'BitsClientJob', keys: new Map([['JobId', '{1}']]) };
const all = async <T>(items: AsyncIterable<T>) => {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
};

describe('what Windows answers', () => {
  it('Identify', async () => {
    const client = answering(
      200,
      '<wsmid:IdentifyResponse xmlns:wsmid="http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"><wsmid:ProtocolVersion>http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd</wsmid:ProtocolVersion><wsmid:ProductVendor>Microsoft Corporation</wsmid:ProductVendor><wsmid:ProductVersion>OS: 6.3.9600 SP: 0.0 Stack: 3.0</wsmid:ProductVersion><wsmid:SecurityProfiles><wsmid:SecurityProfileName>http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/http/basic</wsmid:SecurityProfileName></wsmid:SecurityProfiles></wsmid:IdentifyResponse>',
    );
    expect(await client.identify()).toEqual({
      vendor: 'Microsoft Corporation',
      version: 'OS: 6.3.9600 SP: 0.0 Stack: 3.0',
      protocolVersion: 'http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd',
    });
  });

  it('datetimes in their wrappers', async () => {
    const client = answering(
      200,
      `<p:Win32_Moment ${xsi} xmlns:p="${wmi}/Win32_Moment" xsi:type="p:Win32_Moment_Type"><p:At><cim:Datetime>2014-04-03T14:45:50.46875+08:00</cim:Datetime></p:At><p:Never xsi:nil="true"/><p:On><cim:Date>2014-04-03</cim:Date></p:On><p:Some><cim:CIM_DateTime>201404********.******+000</cim:CIM_DateTime></p:Some><p:Until><cim:Interval>P0DT0H1M40S</cim:Interval></p:Until><cim:Location xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"><a:Address>${anonymous}</a:Address></cim:Location></p:Win32_Moment>`,
    );
    const { properties } = await client.getInstance({ ...path, className: 'Win32_Moment', keys: new Map() });
    expect(Object.fromEntries(properties)).toEqual({
      At: '20140403144550.468750+480',
      Until: '00000000000140.000000:000',
      On: '20140403******.******+000',
      Some: '201404********.******+000',
      Never: null,
    });
  });

  it('an optimised enumeration: items with references, and a context that is nil', async () => {
    const job = (id: number) =>
      `<w:Item><p:BitsClientJob ${xsi} xmlns:p="${wmi}/BitsClientJob" xsi:type="p:BitsClientJob_Type"><p:BytesTotal>18446744073709551615</p:BytesTotal><p:Description xsi:nil="true"/><p:Files xmlns:p1="${wmi}/BitsClientFile" xsi:type="p1:BitsClientFile_Type"><p1:RemoteUrl>http://o/${id}</p1:RemoteUrl></p:Files><p:JobId>{${id}}</p:JobId></p:BitsClientJob><a:EndpointReference/></w:Item>`;
    const client = answering(
      200,
      `<n:EnumerateResponse><n:EnumerationContext>uuid:0F1D2C3B-0000-4000-8000-000000000003</n:EnumerationContext><w:Items>${job(1)}${job(2)}</w:Items></n:EnumerateResponse>`,
      `<n:PullResponse><n:Items>${job(3)}</n:Items><n:EndOfSequence/></n:PullResponse>`,
    );
    const found = await all(client.enumerateInstances(bitsNamespace, 'BitsClientJob'));
    expect(found.map(({ properties }) => properties.get('JobId'))).toEqual(['{1}', '{2}', '{3}']);
    expect(found[0]?.properties.get('BytesTotal')).toBe(0xffff_ffff_ffff_ffffn);
    expect(found[0]?.properties.get('Files')).toMatchObject([{ className: 'BitsClientFile' }]);
    const whole = answering(
      200,
      `<n:EnumerateResponse ${xsi}><n:EnumerationContext xsi:type="cim:cimString" xsi:nil="true"/><w:Items>${job(1)}</w:Items><w:EndOfSequence/></n:EnumerateResponse>`,
    );
    expect(await all(whole.enumerateInstances(bitsNamespace, 'BitsClientJob'))).toHaveLength(1);
  });

  it('the fragments of a projection, whose elements have no namespace', async () => {
    const client = answering(
      200,
      `<n:EnumerateResponse><n:EnumerationContext/><w:Items><w:XmlFragment ${xsi}><JobId>{1}</JobId><State>6</State></w:XmlFragment></w:Items><w:EndOfSequence/></n:EnumerateResponse>`,
    );
    const [job] = await all(client.executeQuery(bitsNamespace, 'select State, JobId from BitsClientJob'));
    expect([job?.className, [...(job?.properties ?? [])]]).toEqual([
      'BitsClientJob',
      [
        ['JobId', '{1}'],
        ['State', 6],
      ],
    ]);
  });

  it('a fault with a ProviderFault and an extended status', async () => {
    const client = answering(
      500,
      `<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>a:DestinationUnreachable</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang="">The WS-Management service cannot process the request. </s:Text></s:Reason><s:Detail><w:FaultDetail>http://schemas.dmtf.org/wbem/wsman/1/wsman/faultDetail/InvalidResourceURI</w:FaultDetail><f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" Code="2150858752" Machine="10.0.0.1"><f:Message><f:ProviderFault provider="WMI Provider" path="C:\\Windows\\system32\\WsmWmiPl.dll"><f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" Code="2150858752" Machine="host.domain"><f:Message>The WS-Management service cannot process the request. </f:Message></f:WSManFault><f:ExtendedError><p:__ExtendedStatus ${xsi} xmlns:p="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/__ExtendedStatus" xsi:type="p:__ExtendedStatus_Type"><p:Description xsi:nil="true"/><p:Operation>GetObject</p:Operation><p:ParameterInfo>BitsClientJob</p:ParameterInfo><p:ProviderName>WinMgmt</p:ProviderName><p:StatusCode xsi:nil="true"/></p:__ExtendedStatus></f:ExtendedError></f:ProviderFault></f:Message></f:WSManFault></s:Detail></s:Fault>`,
    );
    await expect(client.getInstance(path)).rejects.toMatchObject({
      code: 'cim/not-found',
      message: 'The WS-Management service cannot process the request.',
    });
  });
});

describe('references', () => {
  it('come from our own service, typed and without the namespace', async () => {
    const { server, jobs, urlGroups } = testServer();
    await jobs.createJob({ displayName: 'x', remoteUrl: 'http://o/', localFile: '/x' });
    await urlGroups.createUrlGroup('http://+:80/g/');
    const client = inMemoryClient(server);
    const [job] = await all(client.enumerateReferences(bitsNamespace, 'bitsclientjob'));
    expect(job).toEqual({ ...path, keys: new Map([['JobId', '{00000000-0000-4000-8000-000000000001}']]) });
    expect((await client.getInstance(job!)).properties.get('DisplayName')).toBe('x');
    const [group] = await all(client.enumerateReferences(bitsNamespace, 'BitsCompactServerUrlGroup'));
    expect([...(group?.keys ?? [])]).toEqual([['UrlGroup', 'http://+:80/g/']]);
  });

  it.each([
    [
      '<a:ReferenceProperties><w:SelectorSet><w:Selector Name="__cimnamespace">x</w:Selector><w:Selector Name="jobid">{1}</w:Selector></w:SelectorSet></a:ReferenceProperties>',
      [['JobId', '{1}']],
    ],
    [
      '<a:ReferenceParameters><w:SelectorSet><w:Selector Name="Other"> 1 </w:Selector></w:SelectorSet></a:ReferenceParameters>',
      [['Other', ' 1 ']],
    ],
  ])('of other servers: %s', async (parameters, keys) => {
    const epr = `<a:EndpointReference><a:Address>${anonymous}</a:Address>${parameters}</a:EndpointReference>`;
    const body = `<n:EnumerateResponse><n:EnumerationContext/><w:Items>${epr}</w:Items></n:EnumerateResponse>`;
    const [found] = await all(answering(200, body).enumerateReferences(bitsNamespace, 'BitsClientJob'));
    expect([...(found?.keys ?? [])]).toEqual(keys);
  });

  it('without keys are none', async () => {
    const body = '<n:EnumerateResponse><w:Items><a:EndpointReference/></w:Items></n:EnumerateResponse>';
    await expect(all(answering(200, body).enumerateReferences(bitsNamespace, 'BitsClientJob'))).rejects.toMatchObject({
      code: 'wsman/unexpected',
    });
  });
});
