import { bitsNamespace } from '@carmine/cim';
import { describe, expect, it } from 'vitest';
import { createWsmanOperations, type ExchangeRequest, type ExchangeResponse } from '../src/index.ts';
import { anonymous, dmtf, enumeration, soap, testServer, transfer, wmi, wql } from './support.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array) => new TextDecoder().decode(data);

/** Requests in the shape that each client sends (spec: section 12). */
const requests: readonly (readonly [string, string, readonly string[]])[] = [
  [
    'omicli, enumerate: no mustUnderstand on Action, wrong xsi, empty OptionSet with mustUnderstand',
    `<s:Envelope xmlns:s="${soap}" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:n="${enumeration}" xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" xmlns:p="http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd" xmlns:xsi="http://www.w3.org/2001/XMLSchema" xmlns:h="urn:unused"><s:Header><a:To>HTTP://host:5985/wsman/</a:To><w:ResourceURI s:mustUnderstand="true">${dmtf}/BitsClientJob</w:ResourceURI><a:ReplyTo><a:Address s:mustUnderstand="true">${anonymous}</a:Address></a:ReplyTo><a:Action>${enumeration}/Enumerate</a:Action><w:MaxEnvelopeSize s:mustUnderstand="true">102400</w:MaxEnvelopeSize><a:MessageID>uuid:1</a:MessageID><w:OperationTimeout>PT1M30S</w:OperationTimeout><w:Locale xml:lang="en-US" s:mustUnderstand="false"/><p:DataLocale xml:lang="en-US" s:mustUnderstand="false"/><w:OptionSet s:mustUnderstand="true"></w:OptionSet><w:SelectorSet><w:Selector Name="__cimnamespace">root/microsoft/bits</w:Selector></w:SelectorSet></s:Header><s:Body><n:Enumerate><w:OptimizeEnumeration/><w:MaxElements>1000</w:MaxElements></n:Enumerate></s:Body></s:Envelope>`,
    ['<n:EnumerationContext/><w:Items><p:BitsClientJob', '<w:EndOfSequence/>', `xmlns:p="${dmtf}/BitsClientJob"`],
  ],
  [
    'omicli, WQL: WMI form and __cimnamespace',
    `<s:Envelope xmlns:s="${soap}" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:n="${enumeration}" xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"><s:Header><a:To>HTTP://h/</a:To><w:ResourceURI s:mustUnderstand="true">${wmi}/*</w:ResourceURI><a:ReplyTo><a:Address>${anonymous}</a:Address></a:ReplyTo><a:Action>${enumeration}/Enumerate</a:Action><a:MessageID>uuid:1</a:MessageID><w:SelectorSet><w:Selector Name="__cimnamespace">root/microsoft/bits</w:Selector></w:SelectorSet></s:Header><s:Body><n:Enumerate><w:OptimizeEnumeration/><w:MaxElements>1000</w:MaxElements><w:Filter Dialect="${wql}">select * from BitsClientJob</w:Filter></n:Enumerate></s:Body></s:Envelope>`,
    [`xmlns:p="${wmi}/BitsClientJob"`, '<w:EndOfSequence/>'],
  ],
  [
    'pywinrm: xmltodict, un-namespaced mustUnderstand, foreign To',
    `<?xml version="1.0" encoding="utf-8"?>\n<env:Envelope xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:env="${soap}" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:b="http://schemas.dmtf.org/wbem/wsman/1/cimbinding.xsd" xmlns:n="${enumeration}" xmlns:x="${transfer}" xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" xmlns:p="http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd"><env:Header><a:To>http://windows-host:5985/wsman</a:To><a:ReplyTo><a:Address mustUnderstand="true">${anonymous}</a:Address></a:ReplyTo><w:MaxEnvelopeSize mustUnderstand="true">153600</w:MaxEnvelopeSize><a:MessageID>uuid:abc</a:MessageID><w:Locale mustUnderstand="false" xml:lang="en-US"></w:Locale><p:DataLocale mustUnderstand="false" xml:lang="en-US"></p:DataLocale><w:OperationTimeout>PT20S</w:OperationTimeout><w:ResourceURI mustUnderstand="true">http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd</w:ResourceURI><a:Action mustUnderstand="true">${transfer}/Create</a:Action></env:Header><env:Body></env:Body></env:Envelope>`,
    ['<s:Value>a:DestinationUnreachable</s:Value>', 'Code="2150858811"', '<a:RelatesTo>uuid:abc</a:RelatesTo>'],
  ],
  [
    'Ruby run_wql: nil OptimizeEnumeration and a stray SessionId',
    `<env:Envelope xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:env="${soap}" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:n="${enumeration}" xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" xmlns:p="http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd"><env:Header><a:To>http://h:5985/wsman</a:To><a:ReplyTo><a:Address mustUnderstand="true">${anonymous}</a:Address></a:ReplyTo><w:MaxEnvelopeSize mustUnderstand="true">153600</w:MaxEnvelopeSize><a:MessageID>uuid:ABC</a:MessageID><p:SessionId mustUnderstand="false">uuid:S</p:SessionId><w:OperationTimeout>PT60S</w:OperationTimeout><w:ResourceURI mustUnderstand="true">${wmi}/*</w:ResourceURI><a:Action mustUnderstand="true">${enumeration}/Enumerate</a:Action></env:Header><env:Body><n:Enumerate><w:OptimizeEnumeration xsi:nil="true"/><w:MaxElements>32000</w:MaxElements><w:Filter Dialect="${wql}">select DisplayName from BitsClientJob</w:Filter><p:SessionId mustUnderstand="false">uuid:S</p:SessionId></n:Enumerate></env:Body></env:Envelope>`,
    ['<n:EnumerationContext/>', '<DisplayName>a job</DisplayName></w:XmlFragment>'],
  ],
  [
    'wsmancli enumerate: white space everywhere, no optimisation, mustUnderstand on everything',
    `<?xml version="1.0" encoding="UTF-8"?>\n<s:Envelope xmlns:s="${soap}" xmlns:wsa="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:wsman="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" xmlns:wsen="${enumeration}">\n <s:Header>\n  <wsa:Action s:mustUnderstand="true"> ${enumeration}/Enumerate\n</wsa:Action>\n  <wsa:To s:mustUnderstand="true">http://h:5985/wsman</wsa:To>\n  <wsman:ResourceURI s:mustUnderstand="true">\n${dmtf}/BitsClientJob </wsman:ResourceURI>\n  <wsa:MessageID s:mustUnderstand="true">uuid:x</wsa:MessageID>\n  <wsa:ReplyTo>\n   <wsa:Address>\n ${anonymous} </wsa:Address>\n  </wsa:ReplyTo>\n  <wsman:SelectorSet>\n   <wsman:Selector Name="__cimnamespace">root/microsoft/bits</wsman:Selector>\n  </wsman:SelectorSet>\n </s:Header>\n <s:Body>\n  <wsen:Enumerate/>\n </s:Body>\n</s:Envelope>\n`,
    ['<n:EnumerateResponse><n:EnumerationContext>uuid:'],
  ],
  [
    'Windows MI: ObjectAndEPR, options with undeclared type prefixes',
    `<s:Envelope xmlns:s="${soap}" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:n="${enumeration}" xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" xmlns:p="http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd" xmlns:b="http://schemas.dmtf.org/wbem/wsman/1/cimbinding.xsd"><s:Header><a:To>http://h:5985/wsman</a:To><w:ResourceURI s:mustUnderstand="true">${dmtf}/BitsClientJob</w:ResourceURI><a:ReplyTo><a:Address s:mustUnderstand="true">${anonymous}</a:Address></a:ReplyTo><a:Action s:mustUnderstand="true">${enumeration}/Enumerate</a:Action><w:MaxEnvelopeSize s:mustUnderstand="true">512000</w:MaxEnvelopeSize><a:MessageID>uuid:M</a:MessageID><w:Locale xml:lang="en-US" s:mustUnderstand="false"/><p:DataLocale xml:lang="en-US" s:mustUnderstand="false"/><p:SessionId s:mustUnderstand="false">uuid:S</p:SessionId><p:OperationID s:mustUnderstand="false">uuid:O</p:OperationID><p:SequenceId s:mustUnderstand="false">1</p:SequenceId><w:SelectorSet><w:Selector Name="__cimnamespace">root/microsoft/bits</w:Selector></w:SelectorSet><w:OptionSet xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" s:mustUnderstand="true"><w:Option Name="__MI_CallbackRegistration" Type="xs:int">31</w:Option><w:Option Name="wmiarray:__MI_OPERATIONOPTIONS_CHANNELVALUE" Type="xs:unsignedInt">0</w:Option><w:Option Name="wmiarray:__MI_OPERATIONOPTIONS_CHANNELVALUE" Type="xs:unsignedInt">1</w:Option><w:Option Name="msftwinrm:UsePreciseArrays" Type="xs:boolean">true</w:Option></w:OptionSet><w:OperationTimeout>PT60.000S</w:OperationTimeout></s:Header><s:Body><n:Enumerate><w:OptimizeEnumeration/><w:MaxElements>32000</w:MaxElements><w:EnumerationMode>EnumerateObjectAndEPR</w:EnumerationMode></n:Enumerate></s:Body></s:Envelope>`,
    ['<w:Items><w:Item><p:BitsClientJob', '</p:BitsClientJob><a:EndpointReference>', '<w:EndOfSequence/>'],
  ],
];

describe('the requests of known clients', () => {
  it.each(requests)('%s', async (_, request, expected) => {
    const { send, jobs } = testServer();
    await jobs.createJob({ displayName: 'a job', remoteUrl: 'http://o/', localFile: '/x' });
    const answer = await send(request);
    for (const part of expected) expect(answer.text).toContain(part);
    expect(answer.text).not.toContain('OperationID');
  });
});

describe('golden responses', () => {
  it('a group', async () => {
    const { send, urlGroups } = testServer();
    await urlGroups.createUrlGroup('http://+:80/g/');
    const uri = `${wmi}/BitsCompactServerUrlGroup`;
    const answer = await send(
      `<s:Envelope xmlns:s="${soap}" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"><s:Header><a:To>http://h/wsman</a:To><a:ReplyTo><a:Address>${anonymous}</a:Address></a:ReplyTo><a:Action>${transfer}/Get</a:Action><a:MessageID>uuid:1</a:MessageID><w:ResourceURI>${uri}</w:ResourceURI><w:SelectorSet><w:Selector Name="UrlGroup">http://+:80/g/</w:Selector></w:SelectorSet></s:Header><s:Body/></s:Envelope>`,
    );
    expect(answer.text).toBe(
      `<s:Envelope xml:lang="en-US" xmlns:s="${soap}" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:x="${transfer}" xmlns:e="http://schemas.xmlsoap.org/ws/2004/08/eventing" xmlns:n="${enumeration}" xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" xmlns:p="http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd"><s:Header><a:Action>${transfer}/GetResponse</a:Action><a:MessageID>uuid:00000000-0000-4000-8000-000000000001</a:MessageID><a:To>${anonymous}</a:To><a:RelatesTo>uuid:1</a:RelatesTo></s:Header><s:Body><p:BitsCompactServerUrlGroup xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:p="${uri}" xmlns:cim="http://schemas.dmtf.org/wbem/wscim/1/common" xsi:type="p:BitsCompactServerUrlGroup_Type"><p:UrlGroup>http://+:80/g/</p:UrlGroup></p:BitsCompactServerUrlGroup></s:Body></s:Envelope>`,
    );
  });

  it('a fault', async () => {
    const { send } = testServer();
    const answer = await send('<x/>');
    expect(answer.text).toContain(
      '<s:Body><s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>w:SchemaValidationError</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang="en-US">The XML is malformed or does not match the schema.</s:Text></s:Reason><s:Detail><f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" Code="2150858817" Machine="host.example"><f:Message>The XML is malformed or does not match the schema.</f:Message></f:WSManFault></s:Detail></s:Fault></s:Body>',
    );
    expect(answer.text).not.toContain('RelatesTo');
  });
});

describe('the client and other servers', () => {
  const uri = `${wmi}/BitsClientJob`;
  /** Answers with canned bodies, in turn; keeps what was asked. */
  function canned(...bodies: (string | ExchangeResponse)[]) {
    const asked: ExchangeRequest[] = [];
    let next = 0;
    const client = createWsmanOperations({
      to: 'http://h:5985/wsman',
      now: () => 0,
      uuid: () => 'aaaaaaaa-0000-4000-8000-000000000000',
      exchange: async (request) => {
        asked.push(request);
        const body = bodies[next++] ?? '';
        if (typeof body !== 'string') return body;
        return { status: 200, contentType: 'application/soap+xml;charset=UTF-8', body: bytes(envelopeOf(body)) };
      },
    });
    return { client, asked };
  }
  const envelopeOf = (body: string) =>
    `<?xml version="1.0"?>\n<SOAP:Envelope xmlns:SOAP="${soap}" xmlns:wsen="${enumeration}" xmlns:wsman="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><SOAP:Header/><SOAP:Body>${body}</SOAP:Body></SOAP:Envelope>`;
  const path = { namespace: bitsNamespace, className: 'BitsClientJob', keys: new Map([['JobId', '{1}']]) };
  const all = async <T>(items: AsyncIterable<T>) => {
    const found: T[] = [];
    for await (const item of items) found.push(item);
    return found;
  };

  it('sends the header set of winrm.cmd', async () => {
    const { client, asked } = canned('<BitsClientJob/>');
    await client.getInstance(path);
    expect(text(asked[0]!.body)).toBe(
      `<s:Envelope xmlns:s="${soap}" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:n="${enumeration}" xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" xmlns:p="http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd"><s:Header><a:To>http://h:5985/wsman</a:To><w:ResourceURI s:mustUnderstand="true">${uri}</w:ResourceURI><a:ReplyTo><a:Address s:mustUnderstand="true">${anonymous}</a:Address></a:ReplyTo><a:Action s:mustUnderstand="true">${transfer}/Get</a:Action><w:MaxEnvelopeSize s:mustUnderstand="true">512000</w:MaxEnvelopeSize><a:MessageID>uuid:AAAAAAAA-0000-4000-8000-000000000000</a:MessageID><w:Locale xml:lang="en-US" s:mustUnderstand="false"/><p:DataLocale xml:lang="en-US" s:mustUnderstand="false"/><w:SelectorSet><w:Selector Name="JobId">{1}</w:Selector></w:SelectorSet><w:OperationTimeout>PT60.000S</w:OperationTimeout></s:Header><s:Body/></s:Envelope>`,
    );
  });

  it('reads an OMI instance: no xsi:type, upper-case booleans, flat embedded objects', async () => {
    const { client } = canned(
      `<p:bitsclientjob xmlns:p="${dmtf}/BitsClientJob"><p:displayname>x</p:displayname><p:Files><p:RemoteUrl>http://o/</p:RemoteUrl><p:Completed>TRUE</p:Completed></p:Files><p:Unknown>1</p:Unknown></p:bitsclientjob>`,
    );
    const job = await client.getInstance(path);
    expect(job.className).toBe('BitsClientJob');
    expect(job.properties.get('DisplayName')).toBe('x');
    const files = job.properties.get('Files') as unknown as { properties: Map<string, unknown> }[];
    expect(files.map(({ properties }) => properties.get('Completed'))).toEqual([true]);
    expect(job.properties.has('Unknown')).toBe(false);
  });

  it('reads embedded instances in a wrapper', async () => {
    const file = (url: string) =>
      `<q:BitsClientFile xmlns:q="${wmi}/BitsClientFile"><q:RemoteUrl>${url}</q:RemoteUrl></q:BitsClientFile>`;
    const { client } = canned(
      `<p:BitsClientJob xmlns:p="${uri}"><p:Files>${file('http://o/1')}${file('http://o/2')}</p:Files></p:BitsClientJob>`,
    );
    const files = (await client.getInstance(path)).properties.get('Files') as unknown as {
      properties: Map<string, unknown>;
    }[];
    expect(files.map(({ properties }) => properties.get('RemoteUrl'))).toEqual(['http://o/1', 'http://o/2']);
  });

  it('reads a method answer whatever its element is called', async () => {
    const { client, asked } = canned(
      `<p:CreateJob xmlns:p="${dmtf}/CreateJob"><p:ReturnValue>0</p:ReturnValue><p:JobId>{2}</p:JobId></p:CreateJob>`,
    );
    const done = await client.invokeMethod({ ...path, keys: new Map() }, 'createjob', new Map([['DisplayName', 'x']]));
    expect([done.returnValue, [...done.out]]).toEqual([0, [['JobId', '{2}']]]);
    expect(text(asked[0]!.body)).toContain(`<a:Action s:mustUnderstand="true">${uri}/CreateJob</a:Action>`);
    expect(text(asked[0]!.body)).toContain('<p:CreateJob_INPUT ');
    expect(asked[0]!.idempotent).toBe(false);
  });

  it('pulls one by one, ends with EndOfSequence beside a context, and does not release', async () => {
    const item = (id: number) => `<p:BitsClientJob xmlns:p="${uri}"><p:JobId>{${id}}</p:JobId></p:BitsClientJob>`;
    const { client, asked } = canned(
      '<wsen:EnumerateResponse><wsen:EnumerationContext> c1 </wsen:EnumerationContext></wsen:EnumerateResponse>',
      `<wsen:PullResponse><wsen:EnumerationContext>c2</wsen:EnumerationContext><wsen:Items>${item(1)}</wsen:Items></wsen:PullResponse>`,
      `<wsen:PullResponse><wsen:EnumerationContext>c2</wsen:EnumerationContext><wsen:Items/></wsen:PullResponse>`,
      `<wsen:PullResponse><wsen:EnumerationContext>c2</wsen:EnumerationContext><wsen:Items><wsman:Item>${item(2)}</wsman:Item></wsen:Items><wsen:EndOfSequence/></wsen:PullResponse>`,
    );
    const found = await all(client.enumerateInstances(bitsNamespace, 'BitsClientJob'));
    expect(found.map(({ properties }) => properties.get('JobId'))).toEqual(['{1}', '{2}']);
    expect(asked).toHaveLength(4);
    expect(text(asked[1]!.body)).toContain('<n:EnumerationContext>c1</n:EnumerationContext>');
    expect(text(asked[2]!.body)).toContain('<n:EnumerationContext>c2</n:EnumerationContext>');
  });

  it('asks again when a Pull timed out, but not for ever', async () => {
    const timedOut: ExchangeResponse = {
      status: 500,
      contentType: 'application/soap+xml;charset=UTF-8',
      body: bytes(
        envelopeOf(
          '<SOAP:Fault><SOAP:Code><SOAP:Value>SOAP:Receiver</SOAP:Value><SOAP:Subcode><SOAP:Value>wsman:TimedOut</SOAP:Value></SOAP:Subcode></SOAP:Code><SOAP:Reason><SOAP:Text xml:lang="en">t</SOAP:Text></SOAP:Reason></SOAP:Fault>',
        ),
      ),
    };
    const start =
      '<wsen:EnumerateResponse><wsen:EnumerationContext>c</wsen:EnumerationContext></wsen:EnumerateResponse>';
    const end = '<wsen:PullResponse><wsen:Items/><wsen:EndOfSequence/></wsen:PullResponse>';
    const patient = canned(start, timedOut, timedOut, end);
    expect(await all(patient.client.enumerateInstances(bitsNamespace, 'BitsClientJob'))).toEqual([]);
    const endless = canned(start, ...Array.from({ length: 50 }, () => timedOut));
    await expect(all(endless.client.enumerateInstances(bitsNamespace, 'BitsClientJob'))).rejects.toMatchObject({
      code: 'wsman/unexpected',
    });
    await expect(canned(timedOut).client.deleteInstance(path)).rejects.toMatchObject({ code: 'wsman/timed-out' });
  });

  it.each([
    [{ status: 401, contentType: undefined, body: bytes('') }, 'auth/failed'],
    [{ status: 404, contentType: 'text/html', body: bytes('<html>') }, 'wsman/http'],
    [{ status: 500, contentType: undefined, body: bytes('') }, 'wsman/http'],
    [{ status: 200, contentType: 'text/html', body: bytes('<html/>') }, 'wsman/http'],
    [{ status: 302, contentType: undefined, body: bytes('') }, 'wsman/http'],
    [{ status: 200, contentType: 'application/soap+xml', body: bytes('<html/>') }, 'wsman/malformed'],
    [{ status: 200, contentType: 'application/soap+xml', body: bytes('<html>') }, 'wsman/malformed'],
    [{ status: 200, contentType: 'application/soap+xml', body: bytes(envelopeOf('')) }, 'wsman/unexpected'],
    [{ status: 200, contentType: 'application/soap+xml', body: new Uint8Array(2_000_000) }, 'wire/limit'],
    [
      {
        status: 200,
        contentType: 'application/soap+xml',
        body: bytes(
          envelopeOf('<x/>').replace(
            '<SOAP:Header/>',
            '<SOAP:Header><a:RelatesTo xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing">uuid:other</a:RelatesTo></SOAP:Header>',
          ),
        ),
      },
      'wsman/unexpected',
    ],
    [
      {
        status: 503,
        contentType: 'application/soap+xml;charset=UTF-8',
        body: bytes(
          envelopeOf(
            '<SOAP:Fault><SOAP:Code><SOAP:Value>SOAP:Sender</SOAP:Value><SOAP:Subcode><SOAP:Value xmlns:wsa="http://schemas.xmlsoap.org/ws/2004/08/addressing">wsa:DestinationUnreachable</SOAP:Value></SOAP:Subcode></SOAP:Code><SOAP:Reason><SOAP:Text xml:lang="en">no</SOAP:Text></SOAP:Reason></SOAP:Fault>',
          ),
        ),
      },
      'cim/not-found',
    ],
  ] as const)('%#: %j', async (response, code) => {
    await expect(canned(response).client.getInstance(path)).rejects.toMatchObject({ code });
  });
});
