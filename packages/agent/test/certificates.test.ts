import { X509Certificate } from 'node:crypto';
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createServer, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { generateCertificate, openCertificateFiles } from '../src/node/index.ts';
import { temporaryFolder } from './support.ts';

const now = Date.UTC(2026, 0, 1);

describe('generateCertificate', () => {
  it('makes one for names and addresses, self-signed, for servers and clients', async () => {
    const { certificate, privateKey } = await generateCertificate(
      ['files.example', '*.files.example', '192.0.2.1', '::1'],
      now,
    );
    const x509 = new X509Certificate(certificate);
    expect(x509.subject).toBe('CN=files.example');
    expect(x509.issuer).toBe(x509.subject);
    expect(x509.verify(x509.publicKey)).toBe(true);
    expect(x509.ca).toBe(false);
    for (const name of ['files.example', 'www.files.example']) expect(x509.checkHost(name)).toBeDefined();
    for (const name of ['192.0.2.1', '::1']) expect(x509.checkIP(name)).toBeDefined();
    expect(x509.checkHost('other.example')).toBeUndefined();
    expect(x509.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
    expect(x509.validFromDate.getTime()).toBe(now - 3_600_000);
    expect(x509.validToDate.getTime()).toBe(now + 825 * 86_400_000);
    expect(privateKey).toMatch(/^-----BEGIN PRIVATE KEY-----\n/);
  });

  it('serves TLS that a client with it as its trust anchor accepts, and no other client', async () => {
    const { certificate, privateKey } = await generateCertificate(['localhost'], Date.now());
    const server = createServer({ cert: certificate, key: privateKey }, (socket) => socket.end());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const attempt = (ca: string[]) =>
      new Promise<string>((resolve) => {
        const socket: TLSSocket = tlsConnect({ port, host: '127.0.0.1', servername: 'localhost', ca }, () => {
          resolve('accepted');
          socket.destroy();
        });
        socket.on('error', (error) => resolve((error as NodeJS.ErrnoException).code ?? error.message));
      });
    try {
      expect(await attempt([certificate])).toBe('accepted');
      expect(await attempt([(await generateCertificate(['localhost'], Date.now())).certificate])).toBe(
        'DEPTH_ZERO_SELF_SIGNED_CERT',
      );
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it.each([[[]], [['']], [['a b']], [['x/y']], [['-x']], [['ok', 'a"b']]])('refuses %j', async (hosts) => {
    await expect(generateCertificate(hosts, now)).rejects.toMatchObject({ code: 'usage/invalid' });
  });
});

describe('certificate files', () => {
  const pair = generateCertificate(['one.example'], now);

  it('keeps, lists and finds certificates, readable by their owner only', async () => {
    const stateDir = temporaryFolder();
    const files = openCertificateFiles(stateDir);
    const [one, two] = [await pair, await generateCertificate(['two.example'], now)];
    const added = await files.add('my', one.certificate, one.privateKey);
    await files.add('Other-Store', two.certificate, two.privateKey);
    const thumbprint = new X509Certificate(one.certificate).fingerprint.replaceAll(':', '');
    expect(added.file).toBe(join(stateDir, 'certificates', 'MY', `${thumbprint}.pem`));
    expect(statSync(added.file).mode & 0o777).toBe(0o600);
    expect(statSync(join(stateDir, 'certificates', 'MY')).mode & 0o777).toBe(0o700);
    expect(readdirSync(join(stateDir, 'certificates', 'MY'))).toEqual([`${thumbprint}.pem`]);

    const found = await files.findByThumbprint('My', added.thumbprint);
    expect(found).toEqual(added);
    expect(
      new X509Certificate(found!.certificate).checkPrivateKey(
        (await import('node:crypto')).createPrivateKey(found!.privateKey),
      ),
    ).toBe(true);
    expect(Buffer.from(found!.sha256).toString('hex').toUpperCase()).toBe(
      new X509Certificate(one.certificate).fingerprint256.replaceAll(':', ''),
    );
    expect((await files.findBySubject('MY', 'ONE.exa'))?.subject).toBe('CN=one.example');
    expect((await files.list()).map(({ store, subject }) => [store, subject])).toEqual([
      ['MY', 'CN=one.example'],
      ['OTHER-STORE', 'CN=two.example'],
    ]);
    expect((await files.list())[0]).toMatchObject({
      thumbprint,
      notAfter: new Date(now + 825 * 86_400_000).toISOString(),
    });

    // In another store, under another name, or not at all.
    expect(await files.findByThumbprint('Other-Store', added.thumbprint)).toBeUndefined();
    expect(await files.findByThumbprint('ROOT', added.thumbprint)).toBeUndefined();
    expect(await files.findByThumbprint('MY', new Uint8Array(20))).toBeUndefined();
    expect(await files.findBySubject('MY', 'two.example')).toBeUndefined();
  });

  it('replaces a certificate that is added again', async () => {
    const stateDir = temporaryFolder();
    const files = openCertificateFiles(stateDir);
    const { certificate, privateKey } = await pair;
    await files.add('MY', certificate, privateKey);
    await files.add('MY', `${certificate}\n`, privateKey);
    expect(await files.list()).toHaveLength(1);
  });

  it('keeps a chain, leaf first', async () => {
    const files = openCertificateFiles(temporaryFolder());
    const [leaf, issuer] = [await pair, await generateCertificate(['issuer.example'], now)];
    const added = await files.add('MY', `${leaf.certificate}\n${issuer.certificate}`, leaf.privateKey);
    expect(added.subject).toBe('CN=one.example');
    expect(added.certificate.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
  });

  it('has nothing where nothing was stored', async () => {
    const files = openCertificateFiles(join(temporaryFolder(), 'none'));
    expect(await files.list()).toEqual([]);
    expect(await files.findBySubject('MY', '')).toBeUndefined();
  });

  it('refuses a key of another certificate, and what is no PEM', async () => {
    const stateDir = temporaryFolder();
    const files = openCertificateFiles(stateDir);
    const [one, two] = [await pair, await generateCertificate(['two.example'], now)];
    const refused = { code: 'configuration/no-certificate' };
    await expect(files.add('MY', one.certificate, two.privateKey)).rejects.toMatchObject(refused);
    await expect(files.add('MY', one.certificate, '')).rejects.toMatchObject(refused);
    await expect(files.add('MY', '', one.privateKey)).rejects.toMatchObject(refused);
    const garbled = one.certificate.replace(/[A-Za-z]{20}/, 'A'.repeat(20));
    await expect(files.add('MY', garbled, one.privateKey)).rejects.toMatchObject(refused);
    expect(await files.list()).toEqual([]);
  });

  it.each(['', '..', '../x', 'a/b', '.hidden', 'a b', 'a'.repeat(300)])('refuses the store name %j', async (name) => {
    const stateDir = temporaryFolder();
    const { certificate, privateKey } = await pair;
    await expect(openCertificateFiles(stateDir).add(name, certificate, privateKey)).rejects.toMatchObject({
      code: 'usage/invalid',
    });
    expect(readdirSync(stateDir)).toEqual([]);
  });

  it('never looks outside the stores', async () => {
    const stateDir = temporaryFolder();
    const files = openCertificateFiles(stateDir);
    const { certificate, privateKey } = await pair;
    const { thumbprint, file } = await files.add('MY', certificate, privateKey);
    writeFileSync(join(stateDir, 'loose.pem'), readFileSync(file));
    for (const name of ['..', '.', '../certificates/MY', ''])
      expect(await files.findByThumbprint(name, thumbprint)).toBeUndefined();
  });

  it('says which file is damaged', async () => {
    const files = openCertificateFiles(temporaryFolder());
    const { certificate, privateKey } = await pair;
    const { file } = await files.add('MY', certificate, privateKey);
    chmodSync(file, 0o600);
    writeFileSync(file, 'nothing');
    await expect(files.list()).rejects.toMatchObject({
      code: 'configuration/no-certificate',
      message: expect.stringContaining(file),
    });
  });
});
