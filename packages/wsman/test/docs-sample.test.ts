import type { JobState } from '@carmine/core';
import { describe, expect, it } from 'vitest';
import type { XmlElement } from '../src/xml/element.ts';
import { envelope, testServer, transfer, wmi } from './support.ts';

const uri = `${wmi}/BitsClientJob`;
const textOf = (body: XmlElement | undefined, name: string) => body?.children.find(({ local }) => local === name)?.text;

/** Invoke-WSManAction as winrm.cmd sends it: values are strings, in a Method_INPUT. */
function invoke(method: string, values: Record<string, string>, selectors: Record<string, string> = {}) {
  const children = Object.entries(values).map(([name, value]) => `<p:${name}>${value}</p:${name}>`);
  const body = `<p:${method}_INPUT xmlns:p="${uri}">${children.join('')}</p:${method}_INPUT>`;
  return envelope({ action: `${uri}/${method}`, selectors, body });
}

/** The sample of the documentation (bits.md 3.8 B), message by message, while the job goes through `states`. */
async function runSample(states: readonly JobState[]) {
  const { send, jobs } = testServer();
  const asked: string[] = [];
  const setJobState = jobs.setJobState.bind(jobs);
  jobs.setJobState = async (id, action) => {
    asked.push(action);
    return action === 'resume' ? setJobState(id, action) : 0;
  };
  // 1: Invoke-WSManAction CreateJob
  const created = await send(
    invoke('CreateJob', {
      DisplayName: 'TestJob',
      RemoteUrl: 'https://Server01/servertestdir/testfile1.txt',
      LocalFile: 'C:\\clienttestdir\\testfile1.txt',
      Type: '0',
    }),
  );
  expect([created.action, created.body?.local, textOf(created.body, 'ReturnValue')]).toEqual([
    `${uri}/CreateJobResponse`,
    'CreateJob_OUTPUT',
    '0',
  ]);
  const selectors = { JobId: textOf(created.body, 'JobId') ?? '' };
  // 2: Set-WSManInstance gets the instance, changes the one value, and puts the whole back.
  const get = envelope({ action: `${transfer}/Get`, selectors });
  const instance = /<s:Body>(.*)<\/s:Body>/s.exec((await send(get)).text)?.[1] ?? '';
  expect(instance).toContain('<p:Priority>2</p:Priority>');
  const changed = instance.replace('<p:Priority>2<', '<p:Priority>0<');
  const put = await send(envelope({ action: `${transfer}/Put`, selectors, body: changed }));
  expect([put.action, textOf(put.body, 'Priority')]).toEqual([`${transfer}/PutResponse`, '0']);
  // 3: resume
  const resumed = await send(invoke('SetJobState', { JobState: '2' }, selectors));
  expect(textOf(resumed.body, 'ReturnValue')).toBe('0');
  // 4: Get-WSManInstance until it is over
  const getJob = jobs.getJob.bind(jobs);
  const coming = [...states];
  let state: JobState = 'queued';
  const seen: string[] = [];
  for (;;) {
    state = coming.shift() ?? state;
    jobs.getJob = async (id) => ({ ...(await getJob(id)), state });
    const number = textOf((await send(get)).body, 'State') ?? '';
    seen.push(number);
    const last = { 6: '1', 4: '0', 5: '0' }[number];
    if (last === undefined) continue;
    const ended = await send(invoke('SetJobState', { JobState: last }, selectors));
    expect(textOf(ended.body, 'ReturnValue')).toBe('0');
    return { seen, asked };
  }
}

describe('the sample of the documentation', () => {
  it.each<[readonly JobState[], string, readonly string[]]>([
    [['queued', 'connecting', 'transferring', 'transferred'], '0126', ['resume', 'complete']],
    [['connecting', 'error'], '14', ['resume', 'cancel']],
    [['transferring', 'transientError'], '25', ['resume', 'cancel']],
  ])('%j', async (states, seen, asked) => {
    expect(await runSample(states)).toEqual({ seen: [...seen], asked });
  });
});
