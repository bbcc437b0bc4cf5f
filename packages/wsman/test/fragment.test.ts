import { describe, expect, it } from 'vitest';
import { dmtf, envelope, testServer, transfer, wmi } from './support.ts';

async function withJob() {
  const test = testServer();
  const jobId = await test.jobs.createJob({ displayName: 'a & b', remoteUrl: 'http://o/1', localFile: '/inbox/1' });
  await test.jobs.addFile(jobId, 'http://o/2', '/inbox/2');
  const ask = (path: string, parts: Parameters<typeof envelope>[0] = {}) =>
    test.send(
      envelope({
        selectors: { JobId: jobId },
        headers: `<w:FragmentTransfer s:mustUnderstand="true">${path}</w:FragmentTransfer>`,
        ...parts,
      }),
    );
  return { ...test, jobId, ask };
}
const bodyOf = (text: string) => /<s:Body>(.*)<\/s:Body>/s.exec(text)?.[1];
const schemas =
  'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:p="NS" xmlns:cim="http://schemas.dmtf.org/wbem/wscim/1/common"';
const fragment = (inner: string, ns = `${wmi}/BitsClientJob`) =>
  `<w:XmlFragment ${schemas.replace('NS', ns)}>${inner}</w:XmlFragment>`;
const nothing = '<w:XmlFragment xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"/>';

describe('Get of a fragment (DSP0226 section 7.7)', () => {
  it.each([
    ['DisplayName', fragment('<p:DisplayName>a &amp; b</p:DisplayName>')],
    [' ./q:displayname\n', fragment('<p:DisplayName>a &amp; b</p:DisplayName>')],
    ['DisplayName[1]', fragment('<p:DisplayName>a &amp; b</p:DisplayName>')],
    ['DisplayName[2]', nothing],
    ['DisplayName/text()', '<w:XmlFragment>a &amp; b</w:XmlFragment>'],
    ['FilesTotal/text()', '<w:XmlFragment>2</w:XmlFragment>'],
    ['Files[2]/RemoteUrl', fragment('<p:RemoteUrl>http://o/2</p:RemoteUrl>', `${wmi}/BitsClientFile`)],
    ['Files[2]/RemoteUrl/text()', '<w:XmlFragment>http://o/2</w:XmlFragment>'],
    ['Files/LocalFile/text()', '<w:XmlFragment>/inbox/1/inbox/2</w:XmlFragment>'],
    ['Files[3]', nothing],
    ['Files[3]/RemoteUrl/text()', nothing],
    ['Files[0]', nothing],
  ])('%s', async (path, expected) => {
    const { ask } = await withJob();
    const { status, action, text } = await ask(path);
    expect([status, action]).toEqual([200, `${transfer}/GetResponse`]);
    expect(text).toContain(
      `<w:FragmentTransfer s:mustUnderstand="true">${path.trim()}</w:FragmentTransfer></s:Header>`,
    );
    expect(bodyOf(text)).toBe(expected);
  });

  it('gives embedded instances whole, and the whole instance for a dot', async () => {
    const { ask } = await withJob();
    const files = bodyOf((await ask('Files', { uri: `${dmtf}/BitsClientJob` })).text);
    expect(
      files?.match(/<p:Files xmlns:p1="[^"]*cim-schema\/2\/BitsClientFile" xsi:type="p1:BitsClientFile_Type">/g),
    ).toHaveLength(2);
    expect((await ask('.')).body?.children.map(({ local }) => local)).toEqual(['BitsClientJob']);
  });
});

describe('Put of a fragment', () => {
  const put = (inner: string) => ({ action: `${transfer}/Put`, body: inner });
  it.each([
    ['Priority/text()', '<w:XmlFragment> 1 </w:XmlFragment>', '<w:XmlFragment>1</w:XmlFragment>'],
    ['p:Priority', '<w:XmlFragment><Priority>1</Priority></w:XmlFragment>', fragment('<p:Priority>1</p:Priority>')],
    [
      'priority[1]',
      '<w:XmlFragment><q:priority xmlns:q="urn:q">1</q:priority></w:XmlFragment>',
      fragment('<p:Priority>1</p:Priority>'),
    ],
  ])('%s', async (path, body, expected) => {
    const { ask, jobs, jobId } = await withJob();
    const { action, text } = await ask(path, put(body));
    expect(action).toBe(`${transfer}/PutResponse`);
    expect(bodyOf(text)).toBe(expected);
    expect(text).toContain(`<w:FragmentTransfer s:mustUnderstand="true">${path}</w:FragmentTransfer>`);
    const { priority, displayName } = await jobs.getJob(jobId);
    expect([priority, displayName]).toEqual(['high', 'a & b']);
  });

  it('keeps an empty text apart from NULL', async () => {
    const { ask, jobs, jobId } = await withJob();
    expect(bodyOf((await ask('Description/text()', put('<w:XmlFragment/>'))).text)).toMatch(/XmlFragment/);
    expect((await jobs.getJob(jobId)).description).toBe('');
  });
});
