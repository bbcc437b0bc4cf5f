import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Sandbox } from '@carmine/testkit/node';
import type { Checks } from './checks.ts';
import { runPeer } from './peers.ts';

/** curl as a data client: NTLM, ranges, preconditions, on http and on https. */
export async function curlChecks(
  checks: Checks,
  sandbox: Sandbox,
  base: string,
  secureBase: string,
  source: string,
): Promise<void> {
  const { user, password, certificate, folder } = sandbox;
  const content = await readFile(source);
  const out = join(folder, 'curl.out');
  const curl = async (url: string, ...args: string[]) => {
    const credentials = args.includes('--anyauth-none') ? [] : ['--ntlm', '--user', `${user}:${password}`];
    const given = args.filter((arg) => arg !== '--anyauth-none');
    const write = ['--output', out, '--write-out', '%{http_code}', '--silent', '--show-error', '--max-time', '60'];
    const { code, stdout, stderr } = await runPeer('curl', [
      ...credentials,
      ...write,
      '--cacert',
      certificate.file,
      ...given,
      url,
    ]);
    if (code !== 0) throw new Error(`curl exited with ${code}: ${stderr.trim()}`);
    return Number(stdout);
  };
  const expectStatus = (actual: number, wanted: number) => {
    if (actual !== wanted) throw new Error(`status ${actual} instead of ${wanted}`);
  };
  const expectBytes = async (first: number, end: number) => {
    const got = await readFile(out);
    if (!got.equals(content.subarray(first, end)))
      throw new Error(`${got.length} bytes that are not ${first} to ${end - 1} of the source`);
  };

  for (const [name, root] of [
    ['http', base],
    ['https', secureBase],
  ] as const) {
    await checks.run(`curl --ntlm over ${name}: whole file`, async () => {
      expectStatus(await curl(`${root}image`), 200);
      await expectBytes(0, content.length);
      return `SHA-256 ${createHash('sha256').update(content).digest('hex').slice(0, 16)}…`;
    });
    await checks.run(`curl --ntlm over ${name}: ranges`, async () => {
      for (const [range, first, end] of [
        ['0-0', 0, 1],
        ['1000000-1999999', 1_000_000, 2_000_000],
        ['-10', content.length - 10, content.length],
        [`${content.length - 5}-`, content.length - 5, content.length],
      ] as const) {
        expectStatus(await curl(`${root}image`, '--range', range), 206);
        await expectBytes(first, end);
      }
      expectStatus(await curl(`${root}image`, '--range', `${content.length}-`), 416);
      return undefined;
    });
  }
  await checks.run('curl: HEAD, If-None-Match, If-Unmodified-Since', async () => {
    expectStatus(await curl(`${base}image`, '--head'), 200);
    const head = await readFile(out, 'utf8');
    const etag = /^ETag: (.*)$/im.exec(head)?.[1]?.trim() ?? '';
    if (!head.includes(`Content-Length: ${content.length}`)) throw new Error('HEAD without the length');
    expectStatus(await curl(`${base}image`, '--header', `If-None-Match: ${etag}`), 304);
    expectStatus(await curl(`${base}image`, '--header', 'If-Unmodified-Since: Mon, 01 Jan 1990 00:00:00 GMT'), 412);
    return undefined;
  });
  await checks.run('curl: resumes with --continue-at', async () => {
    expectStatus(await curl(`${base}image`, '--range', '0-4999999'), 206);
    expectStatus(await curl(`${base}image`, '--continue-at', '-'), 206);
    await expectBytes(0, content.length);
    return undefined;
  });
  await checks.run('curl: wrong password 401, no credentials 401, no group 400, no URL 404', async () => {
    expectStatus(await curl(`${base}image`, '--user', `${user}:wrong`), 401);
    expectStatus(await curl(`${base}image`, '--anyauth-none'), 401);
    expectStatus(await curl(`${base}nothing`), 404);
    expectStatus(await curl(`${new URL(base).origin}/elsewhere/image`), 400);
    return undefined;
  });
}
