import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { ServerOptions } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HttpScheme } from '@carmine/auth';
import type { CredentialScheme, JobCredentials } from '@carmine/core';
import { SeededRandom } from '@carmine/testkit';
import { credentialAuthenticators, type DownloadOptions, download } from '@carmine/transfer/node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { authority, client, expired, other, server } from './support/certificates.ts';
import { HttpOrigin } from './support/http-origin.ts';
import { protect } from './support/protect.ts';

const content = new SeededRandom(3).bytes(200_000);
const tls = (pair: typeof server, more: ServerOptions = {}): ServerOptions => ({
  cert: pair.certificate,
  key: pair.privateKey,
  ...more,
});
let folder: string;
let path: string;
const origins: HttpOrigin[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'carmine-transfer-'));
  path = join(folder, 'file');
});
afterEach(async () => {
  for (const origin of origins.splice(0)) await origin.close();
  rmSync(folder, { recursive: true, force: true });
});
async function start(options?: ServerOptions): Promise<HttpOrigin> {
  const origin = await HttpOrigin.start(content, options);
  origins.push(origin);
  return origin;
}
const credentials = (
  scheme: CredentialScheme,
  password = 'Pässw0rd',
  userName: string | null = 'admin',
): JobCredentials => ({
  target: 'server',
  scheme,
  userName,
  password,
});

describe.each([
  ['the fast way', true],
  ['undici', false],
])('over %s', (_name, fast) => {
  const fetchFrom = (origin: HttpOrigin, options: DownloadOptions = {}) =>
    download(origin.url, path, { roots: [folder], trust: [authority], fast, probe: true, ...options });
  describe('authentication', () => {
    it.each<[CredentialScheme, HttpScheme, boolean]>([
      ['ntlm', 'ntlm', false],
      ['negotiate', 'negotiate', false],
      ['ntlm', 'ntlm', true],
      ['negotiate', 'negotiate', true],
      ['basic', 'basic', true],
    ])('with %s, on several connections (%s offered, TLS %s)', async (scheme, offered, secure) => {
      const origin = await start(secure ? tls(server) : undefined);
      const admitted = protect(origin, [offered], secure);
      const authenticator = credentialAuthenticators([credentials(scheme)]);
      await fetchFrom(origin, { authenticator, connections: 2, pieceBytes: 50_000 });
      expect(readFileSync(path).equals(content)).toBe(true);
      expect(new Set(admitted).size).toBe(1);
      // One more where a stream lost its far part to another.
      expect([2, 3]).toContain(origin.connections);
      // The exchange happens once per connection, not once per request.
      const challenged = origin.seen.length - admitted.length;
      expect(challenged).toBe(scheme === 'basic' ? 0 : 4);
    });

    it('takes the strongest scheme that the server offers and the job has', async () => {
      const origin = await start();
      protect(origin, ['ntlm'], false);
      const authenticator = credentialAuthenticators([credentials('basic', 'wrong'), credentials('ntlm')]);
      await fetchFrom(origin, { authenticator });
      expect(readFileSync(path).equals(content)).toBe(true);
    });

    it.each<[string, JobCredentials[]]>([
      ['a wrong password', [credentials('ntlm', 'wrong')]],
      ['a scheme that is not offered', [credentials('negotiate')]],
      ['no credentials', []],
      ['implicit ones, which mean nobody here', [{ ...credentials('ntlm'), userName: null, password: null }]],
      ['those of the proxy', [{ ...credentials('ntlm'), target: 'proxy' }]],
    ])('fails with %s: 0x80190191, and not for ever', async (_what, list) => {
      const origin = await start();
      protect(origin, ['ntlm'], false);
      await expect(fetchFrom(origin, { authenticator: credentialAuthenticators(list) })).rejects.toMatchObject({
        code: 'transfer/authentication',
        kind: 'fatal',
        hresult: 0x8019_0191,
      });
      expect(origin.seen.length).toBeLessThanOrEqual(3);
    });

    it('never sends Basic without TLS', async () => {
      const origin = await start();
      origin.behaviour = (_request, response) =>
        Boolean(response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end());
      const authenticator = credentialAuthenticators([credentials('basic')]);
      await expect(fetchFrom(origin, { authenticator })).rejects.toMatchObject({ code: 'transfer/authentication' });
      expect(origin.seen.map(({ headers }) => headers.authorization)).toEqual([undefined]);
    });

    it('goes only to the origin it was given for: a redirect elsewhere drops it', async () => {
      const origin = await start(tls(server));
      const elsewhere = await start(tls(server));
      protect(origin, ['basic'], true);
      const guarded = origin.behaviour;
      origin.behaviour = (request, response, seen) =>
        guarded?.(request, response, seen) === true ||
        Boolean(response.writeHead(302, { location: elsewhere.url }).end());
      const authenticator = credentialAuthenticators([credentials('basic')]);
      await fetchFrom(origin, { authenticator });
      expect(origin.seen[0]?.headers.authorization).toMatch(/^Basic /);
      expect(elsewhere.seen.map(({ headers }) => headers.authorization)).toEqual([undefined, undefined]);
      // Even when it asks.
      elsewhere.behaviour = (_request, response) =>
        Boolean(response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end());
      elsewhere.seen.length = 0;
      await expect(fetchFrom(origin, { authenticator })).rejects.toMatchObject({ code: 'transfer/authentication' });
      expect(elsewhere.seen.map(({ headers }) => headers.authorization)).toEqual([undefined]);
    });
  });

  describe('TLS', () => {
    it('trusts the given authority', async () => {
      await fetchFrom(await start(tls(server)));
      expect(readFileSync(path).equals(content)).toBe(true);
    });

    it.each([
      ['an unknown authority', server, [], 'transfer/untrusted', 0x8007_2f0d],
      ['another name', other, [authority], 'transfer/certificate-name', 0x8007_2f06],
      ['a date that has passed', expired, [authority], 'transfer/certificate-date', 0x8007_2f05],
    ])('refuses %s', async (_what, pair, trust, code, hresult) => {
      const origin = await start(tls(pair));
      await expect(fetchFrom(origin, { trust })).rejects.toMatchObject({ code, hresult, kind: 'fatal' });
      expect(origin.seen).toEqual([]);
    });

    it('refuses a redirect from https to http', async () => {
      const plain = await start();
      const origin = await start(tls(server));
      origin.behaviour = (_request, response) => Boolean(response.writeHead(302, { location: plain.url }).end());
      await expect(fetchFrom(origin)).rejects.toMatchObject({ code: 'transfer/redirect' });
      expect(plain.seen).toEqual([]);
    });

    it('shows the client certificate, to its own origin only', async () => {
      const asking = { requestCert: true, rejectUnauthorized: true, ca: [authority] };
      const origin = await start(tls(server, asking));
      await fetchFrom(origin, { clientCertificate: client });
      expect(readFileSync(path).equals(content)).toBe(true);
      const elsewhere = await start(tls(server, asking));
      origin.behaviour = (_request, response) => Boolean(response.writeHead(302, { location: elsewhere.url }).end());
      await expect(fetchFrom(origin, { clientCertificate: client })).rejects.toMatchObject({
        code: 'transfer/client-certificate-needed',
        hresult: 0x8007_2f0c,
      });
      expect(elsewhere.seen).toEqual([]);
    });
  });
});
