import { describe, expect, it } from 'vitest';
import { child, type XmlElement } from '../src/xml/element.ts';
import { admin, dmtf, enumeration, envelope, readAnswer, testServer, transfer, user, wmi, wql } from './support.ts';

const local = (element: XmlElement | undefined, ...names: string[]): XmlElement | undefined =>
  names.reduce<XmlElement | undefined>((node, name) => node?.children.find((item) => item.local === name), element);

const invoke = (method: string, values: Record<string, string>, selectors: Record<string, string> = {}) =>
  envelope({
    action: `${wmi}/BitsClientJob/${method}`,
    selectors,
    body: `<p:${method}_INPUT xmlns:p="${wmi}/BitsClientJob">${Object.entries(values)
      .map(([name, value]) => `<p:${name}>${value}</p:${name}>`)
      .join('')}</p:${method}_INPUT>`,
  });

describe('a job', () => {
  it('is made, changed, resumed, looked at and cancelled', async () => {
    const { send } = testServer();
    const created = await send(
      invoke('CreateJob', {
        DisplayName: 'TestJob',
        RemoteUrl: 'https://Server01/servertestdir/testfile1.txt',
        LocalFile: 'C:\\clienttestdir\\testfile1.txt',
        Type: '0',
      }),
    );
    expect(created.status).toBe(200);
    expect(created.action).toBe(`${wmi}/BitsClientJob/CreateJobResponse`);
    expect(created.body?.local).toBe('CreateJob_OUTPUT');
    expect(created.body?.uri).toBe(`${wmi}/BitsClientJob`);
    expect(local(created.body, 'ReturnValue')?.text).toBe('0');
    const JobId = local(created.body, 'JobId')?.text ?? '';
    expect(JobId).toMatch(/^\{.*\}$/);

    const put = await send(
      envelope({
        action: `${transfer}/Put`,
        selectors: { JobId },
        body: `<p:BitsClientJob xmlns:p="${wmi}/BitsClientJob"><p:Priority>0</p:Priority></p:BitsClientJob>`,
      }),
    );
    expect(put.action).toBe(`${transfer}/PutResponse`);
    expect(local(put.body, 'Priority')?.text).toBe('0');

    const resumed = await send(invoke('SetJobState', { JobState: '2' }, { JobId }));
    expect(local(resumed.body, 'ReturnValue')?.text).toBe('0');

    const got = await send(envelope({ action: `${transfer}/Get`, selectors: { jobid: JobId.toLowerCase() } }));
    expect(got.status).toBe(200);
    expect(local(got.body, 'State')?.text).toBe('0');
    expect(local(got.body, 'Files', 'RemoteUrl')?.text).toBe('https://Server01/servertestdir/testfile1.txt');

    const cancelled = await send(invoke('SetJobState', { JobState: '0' }, { JobId }));
    expect(local(cancelled.body, 'ReturnValue')?.text).toBe('0');
    const gone = await send(envelope({ action: `${transfer}/Get`, selectors: { JobId } }));
    expect(gone.status).toBe(500);
  });
});

describe('an instance on the wire', () => {
  it('is in the form of the request, with all properties, alphabetically', async () => {
    const { send, jobs } = testServer();
    const JobId = await jobs.createJob({
      displayName: 'a < b & "c"\u0001',
      remoteUrl: 'http://o/1',
      localFile: '/inbox/1',
    });
    for (const [uri, selectors] of [
      [`${wmi}/bitsclientjob`, { JobId }],
      [`${dmtf}/BITSCLIENTJOB`, { JobId, __cimnamespace: 'ROOT\\Microsoft\\BITS' }],
      [`${dmtf}/BitsClientJob`, { JobId }],
      ['http://schemas.microsoft.com/wbem/wsman/1/wmi/ROOT/Microsoft/BITS/BitsClientJob', { JobId }],
    ] as const) {
      const { body } = await send(envelope({ uri, selectors }));
      const base = uri.slice(0, uri.lastIndexOf('/'));
      expect(body?.uri).toBe(`${base}/BitsClientJob`);
      expect(body?.local).toBe('BitsClientJob');
      expect(local(body, 'DisplayName')?.text).toBe('a < b & "c"?');
      const names = body?.children.map((item) => item.local) ?? [];
      expect(names).toEqual([...names].sort());
      expect(names).toHaveLength(17);
      const file = local(body, 'Files');
      expect(file?.children[0]?.uri).toBe(`${base}/BitsClientFile`);
      expect(file?.attributes).toEqual([
        { uri: 'http://www.w3.org/2001/XMLSchema-instance', local: 'type', value: 'p1:BitsClientFile_Type' },
      ]);
    }
  });
});

describe('enumeration', () => {
  const body = (inner: string) => `<n:Enumerate>${inner}</n:Enumerate>`;
  const pull = (context: string, inner = '') =>
    `<n:Pull><n:EnumerationContext>${context}</n:EnumerationContext>${inner}</n:Pull>`;
  async function withJobs(count: number) {
    const test = testServer();
    for (let i = 0; i < count; i++)
      await test.jobs.createJob({ displayName: `job ${i}`, remoteUrl: 'http://o/1', localFile: `/inbox/${i}` });
    return test;
  }

  it('without optimisation gives a context and no items, then one item per Pull', async () => {
    const { send } = await withJobs(2);
    const started = await send(envelope({ action: `${enumeration}/Enumerate`, body: body('') }));
    expect(started.body?.children.map((item) => item.local)).toEqual(['EnumerationContext']);
    const context = local(started.body, 'EnumerationContext')?.text ?? '';
    const first = await send(envelope({ action: `${enumeration}/Pull`, body: pull(context) }));
    expect(first.body?.children.map((item) => item.local)).toEqual(['EnumerationContext', 'Items']);
    expect(local(first.body, 'Items')?.children).toHaveLength(1);
    const last = await send(envelope({ action: `${enumeration}/Pull`, body: pull(context) }));
    expect(last.body?.children.map((item) => item.local)).toEqual(['Items', 'EndOfSequence']);
    const dead = await send(envelope({ action: `${enumeration}/Pull`, body: pull(context) }));
    expect(dead.text).toContain('n:InvalidEnumerationContext');
    expect(dead.text).toContain('<s:Value>s:Receiver</s:Value>');
    expect(dead.action).toBe(`${enumeration}/fault`);
  });

  it('with optimisation gives all at once, an empty context and w:EndOfSequence', async () => {
    const { send } = await withJobs(3);
    const { body: answer, text } = await send(
      envelope({
        action: `${enumeration}/Enumerate`,
        body: body(
          '<w:OptimizeEnumeration xsi:nil="true"/><w:MaxElements>32000</w:MaxElements><p:SessionId>x</p:SessionId>',
        ),
      }),
    );
    expect(answer?.children.map((item) => item.local)).toEqual(['EnumerationContext', 'Items', 'EndOfSequence']);
    expect(text).toContain('<n:EnumerationContext/><w:Items>');
    expect(local(answer, 'Items')?.children).toHaveLength(3);
  });

  it('ends batches at MaxElements and at the size of the envelope', async () => {
    const { send } = await withJobs(30);
    const start = await send(
      envelope({
        action: `${enumeration}/Enumerate`,
        headers: '<w:MaxEnvelopeSize s:mustUnderstand="true">8192</w:MaxEnvelopeSize>',
        body: body('<w:OptimizeEnumeration/><w:MaxElements>20</w:MaxElements>'),
      }),
    );
    const context = local(start.body, 'EnumerationContext')?.text ?? '';
    let seen = local(start.body, 'Items')?.children.length ?? 0;
    expect(seen).toBeGreaterThan(0);
    expect(start.text.length).toBeLessThanOrEqual(8192);
    for (;;) {
      const next = await send(
        envelope({
          action: `${enumeration}/Pull`,
          headers: '<w:MaxEnvelopeSize s:mustUnderstand="true">8192</w:MaxEnvelopeSize>',
          body: pull(context, '<n:MaxElements>100</n:MaxElements>'),
        }),
      );
      expect(next.status).toBe(200);
      expect(next.text.length).toBeLessThanOrEqual(8192);
      seen += local(next.body, 'Items')?.children.length ?? 0;
      if (local(next.body, 'EndOfSequence') !== undefined) break;
    }
    expect(seen).toBe(30);
  });

  it('gives references, or objects with references, when asked', async () => {
    const { send } = await withJobs(1);
    const run = async (mode: string, uri = `${dmtf}/BitsClientJob`) =>
      (
        await send(
          envelope({
            uri,
            selectors: { __cimnamespace: 'root/microsoft/bits' },
            action: `${enumeration}/Enumerate`,
            body: body(`<w:OptimizeEnumeration/><w:EnumerationMode>${mode}</w:EnumerationMode>`),
          }),
        )
      ).body;
    const epr = local(await run('EnumerateEPR'), 'Items', 'EndpointReference', 'ReferenceParameters');
    expect(local(epr, 'ResourceURI')?.text).toBe(`${dmtf}/BitsClientJob`);
    expect(local(epr, 'SelectorSet')?.children.map((item) => [item.attributes[0]?.value, item.text])).toEqual([
      ['__cimnamespace', 'root/microsoft/bits'],
      ['JobId', '{00000000-0000-4000-8000-000000000001}'],
    ]);
    const item = local(await run('EnumerateObjectAndEPR'), 'Items', 'Item');
    expect(item?.children.map((node) => node.local)).toEqual(['BitsClientJob', 'EndpointReference']);
    expect(local(await run('EnumerateEverything'))?.local).toBe('Fault');
  });

  it('runs WQL on all classes: instances for *, fragments for a projection', async () => {
    const { send } = await withJobs(3);
    const query = async (text: string) =>
      send(
        envelope({
          uri: `${wmi}/*`,
          action: `${enumeration}/Enumerate`,
          body: body(
            `<w:OptimizeEnumeration/><w:MaxElements>10</w:MaxElements><w:Filter Dialect="${wql}"> ${text} </w:Filter>`,
          ),
        }),
      );
    const all = await query("select * from BitsClientJob where DisplayName='job 1'");
    expect(local(all.body, 'Items')?.children.map((item) => item.uri)).toEqual([`${wmi}/BitsClientJob`]);
    const some = await query('select State, DisplayName from BitsClientJob');
    const fragments = local(some.body, 'Items')?.children ?? [];
    expect(fragments).toHaveLength(3);
    expect(fragments[0]?.local).toBe('XmlFragment');
    expect(fragments[0]?.children.map((item) => `${item.uri}|${item.local}`)).toEqual(['|DisplayName', '|State']);
    for (const bad of ['select', 'select * from Nowhere', 'select Nothing from BitsClientJob']) {
      const refused = await query(bad);
      expect(refused.text).toContain('n:CannotProcessFilter');
      expect(refused.text).toContain('Code="2150858778"');
    }
  });

  it('selects by SelectorFilter', async () => {
    const { send } = await withJobs(3);
    const run = (selectors: string) =>
      send(
        envelope({
          action: `${enumeration}/Enumerate`,
          body: body(
            `<w:OptimizeEnumeration/><w:MaxElements>9</w:MaxElements><w:Filter Dialect="http://schemas.dmtf.org/wbem/wsman/1/wsman/SelectorFilter"><w:SelectorSet>${selectors}</w:SelectorSet></w:Filter>`,
          ),
        }),
      );
    const found = await run(
      '<w:Selector Name="displayname">JOB 2</w:Selector><w:Selector Name="Priority">2</w:Selector>',
    );
    expect(local(found.body, 'Items', 'BitsClientJob', 'DisplayName')?.text).toBe('job 2');
    expect(local(found.body, 'Items')?.children).toHaveLength(1);
    for (const bad of [
      '<w:Selector Name="Files">x</w:Selector>',
      '<w:Selector Name="Nothing">x</w:Selector>',
      '<w:Selector Name="DisplayName">a"b</w:Selector>',
      '<w:Selector Name="State">many</w:Selector>',
      '<w:Selector Name="State">1</w:Selector><w:Selector Name="state">1</w:Selector>',
    ])
      expect((await run(bad)).text).toContain('n:CannotProcessFilter');
  });

  it('forgets contexts after a release, after time, and never gives them to somebody else', async () => {
    const { send, clock, server } = await withJobs(5);
    const start = async () =>
      local((await send(envelope({ action: `${enumeration}/Enumerate`, body: body('') }))).body, 'EnumerationContext')
        ?.text ?? '';
    const pulled = async (context: string, token = admin) =>
      (await send(envelope({ action: `${enumeration}/Pull`, body: pull(context) }), token)).status;
    const released = await start();
    const release = await send(
      envelope({
        action: `${enumeration}/Release`,
        body: `<n:Release><n:EnumerationContext>${released}</n:EnumerationContext></n:Release>`,
      }),
    );
    expect(release.action).toBe(`${enumeration}/ReleaseResponse`);
    expect(release.body).toBeUndefined();
    expect(await pulled(released)).toBe(500);

    const kept = await start();
    expect(await pulled(kept, { ...admin, userSid: 'S-1-5-21-9' })).toBe(500);
    await clock.advance(239_000);
    expect(await pulled(kept)).toBe(200);
    await clock.advance(239_000);
    server.sweep();
    expect(await pulled(kept)).toBe(200);
    await clock.advance(241_000);
    expect(await pulled(kept)).toBe(500);
  });

  it('caps the enumerations of one user', async () => {
    const { send } = testServer({ limits: { maxEnumerationsPerUser: 2 } });
    const start = () => send(envelope({ action: `${enumeration}/Enumerate`, body: body('') }));
    expect((await start()).status).toBe(200);
    expect((await start()).status).toBe(200);
    expect((await start()).text).toContain('Code="2150859174"');
  });
});

describe('Identify', () => {
  const identify = `<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:i="http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"><s:Header/><s:Body><i:Identify/></s:Body></s:Envelope>`;
  it('needs no header and has none in its answer', async () => {
    const { status, body, root } = await testServer().send(identify);
    expect(status).toBe(200);
    expect(child(root, 'http://www.w3.org/2003/05/soap-envelope', 'Header')?.children).toEqual([]);
    expect(local(body, 'ProductVendor')?.text).toBe('Carmine');
    expect(local(body, 'ProtocolVersion')?.text).toBe('http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd');
    expect(local(body, 'SecurityProfiles')?.children.length).toBeGreaterThan(0);
  });
  it('tells nobody the version', () => {
    const answer = readAnswer(testServer().server.identifyAnonymously());
    expect(local(answer.body, 'ProductVersion')?.text).toBe('OS: 0.0.0 SP: 0.0 Stack: 3.0');
    expect(local(answer.body, 'SecurityProfiles')).toBeUndefined();
  });
  it('is refused to callers who may not manage', async () => {
    const refused = await testServer().send(identify, user);
    expect(refused.status).toBe(500);
    expect(refused.text).toContain('w:AccessDenied');
    expect(refused.text).toContain('Code="5"');
  });
});
