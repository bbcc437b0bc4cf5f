import { createHash } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SeededRandom } from '@carmine/testkit';
import { type DownloadOptions, download } from '@carmine/transfer/node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HttpOrigin } from './support/http-origin.ts';

const content = new SeededRandom(3).bytes(300_000);
const sha256 = createHash('sha256').update(content).digest('hex');

let folder: string;
let path: string;
let origin: HttpOrigin;
beforeEach(async () => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'carmine-transfer-')));
  path = join(folder, 'file');
  origin = await HttpOrigin.start(content);
});
afterEach(async () => {
  await origin.close();
  rmSync(folder, { recursive: true, force: true });
});
const same = () => readFileSync(path).equals(content);

describe.each([
  ['the fast way', true],
  ['undici', false],
])('over %s', (_name, fast) => {
  const fetchFile = (options: DownloadOptions = {}) =>
    download(origin.url, path, { roots: [folder], fast, probe: true, ...options });
  describe('a good origin', () => {
    it('gives the file: HEAD, then one GET without Range', async () => {
      expect(await fetchFile()).toEqual({ length: content.length, sha256: undefined });
      expect(same()).toBe(true);
      expect(origin.asked).toEqual(['HEAD', 'GET']);
      expect(readdirSync(folder)).toEqual(['file']);
      expect(origin.connections).toBe(1);
      for (const { headers } of origin.seen) {
        expect(headers).toMatchObject({ 'accept-encoding': 'identity', 'user-agent': 'Carmine/0.1.0' });
      }
    });

    it('gives it over several connections, in ranges tied to its version', async () => {
      await fetchFile({ connections: 3, pieceBytes: 64 * 1024, userAgent: 'Test/1' });
      expect(same()).toBe(true);
      expect(origin.connections).toBeGreaterThanOrEqual(3);
      for (const { method, headers } of origin.seen) {
        expect(headers['user-agent']).toBe('Test/1');
        if (method === 'GET') expect(headers).toMatchObject({ range: expect.any(String), 'if-range': '"1"' });
      }
    });

    it('asks with If-Unmodified-Since where there is no strong ETag', async () => {
      origin.etag = 'W/"1"';
      await fetchFile({ connections: 2, pieceBytes: 64 * 1024 });
      expect(same()).toBe(true);
      for (const { headers } of origin.seen.slice(1)) {
        expect(headers).toMatchObject({ 'if-unmodified-since': origin.lastModified });
        expect(headers['if-range']).toBeUndefined();
      }
    });

    it('gives its time to the file, whose mode is like that of any new file', async () => {
      await fetchFile();
      expect(statSync(path).mtimeMs).toBe(Date.UTC(2026, 0, 1));
      writeFileSync(join(folder, 'other'), '');
      expect(statSync(path).mode).toBe(statSync(join(folder, 'other')).mode);
    });

    it.each([0, 1, 65_536])('gives a file of %i bytes', async (length) => {
      origin.content = content.subarray(0, length);
      expect(await fetchFile({ computeSha256: true })).toEqual({
        length,
        sha256: createHash('sha256').update(origin.content).digest('hex'),
      });
      expect(readFileSync(path).equals(origin.content)).toBe(true);
    });

    it('replaces an existing file only when the new one is whole', async () => {
      writeFileSync(path, 'old');
      origin.behaviour = (_request, response, { method }) => {
        if (method === 'HEAD') return false;
        expect(readFileSync(path, 'utf8')).toBe('old');
        response.writeHead(404).end();
        return true;
      };
      await expect(fetchFile()).rejects.toMatchObject({ hresult: 0x8019_0194 });
      expect(readFileSync(path, 'utf8')).toBe('old');
      expect(readdirSync(folder)).toEqual(['file']);
      origin.behaviour = undefined;
      await fetchFile();
      expect(same()).toBe(true);
    });

    it('is enough without HEAD', async () => {
      origin.behaviour = (_request, response, { method }) =>
        method === 'HEAD' && Boolean(response.writeHead(405).end());
      await fetchFile();
      expect(same()).toBe(true);
      expect(origin.asked).toEqual(['HEAD', 'GET']);
    });

    it('gives the file with one GET and nothing before', async () => {
      await fetchFile({ probe: false });
      expect(same()).toBe(true);
      expect(origin.asked).toEqual(['GET']);
    });

    it('is enough with a HEAD that knows no length and says 0', async () => {
      origin.behaviour = (_request, response, { method }) =>
        method === 'HEAD' && Boolean(response.writeHead(200, { etag: '"1"', 'content-length': 0 }).end());
      await fetchFile();
      expect(same()).toBe(true);
      expect(origin.asked).toEqual(['HEAD', 'GET']);
    });

    it('is enough without ranges, in one stream', async () => {
      delete origin.headers['accept-ranges'];
      origin.behaviour = (_request, response, { method }) => {
        response.writeHead(200, { etag: '"1"', 'content-length': content.length });
        response.end(method === 'HEAD' ? undefined : content);
        return true;
      };
      await fetchFile({ connections: 4, pieceBytes: 64 * 1024 });
      expect(same()).toBe(true);
      expect(origin.asked).toEqual(['HEAD', 'bytes=0-65535']);
    });
  });

  describe('digests', () => {
    it('are checked when the caller gives one', async () => {
      expect(await fetchFile({ expectedSha256: sha256 })).toMatchObject({ sha256 });
      expect(same()).toBe(true);
    });

    it('are checked when the origin gives one', async () => {
      origin.headers = { 'repr-digest': `sha-256=:${Buffer.from(sha256, 'hex').toString('base64')}:` };
      expect(await fetchFile()).toMatchObject({ sha256 });
      origin.headers = { 'repr-digest': `sha-256=:${Buffer.alloc(32).toString('base64')}:` };
      await expect(fetchFile()).rejects.toMatchObject({ code: 'transfer/digest-mismatch' });
    });

    it('that do not fit are an error: the file does not get its name, and the next run begins at 0', async () => {
      const temporaryName = 'BIT1.tmp';
      await expect(fetchFile({ expectedSha256: '00'.repeat(32), temporaryName })).rejects.toMatchObject({
        code: 'transfer/digest-mismatch',
        kind: 'fatal',
        hresult: 0x8020_0053,
      });
      expect(readdirSync(folder).sort()).toEqual([temporaryName, `${temporaryName}.journal`]);
      const reported: number[] = [];
      origin.seen.length = 0;
      await fetchFile({
        expectedSha256: sha256,
        temporaryName,
        onProgress: ({ transferred }) => reported.push(transferred),
      });
      expect(reported[0]).toBe(0);
      expect(origin.asked).toEqual(['HEAD', 'GET']);
      expect(same()).toBe(true);
    });

    it('of a file that changes on the way are those of what it is in the end', async () => {
      const [first, second] = [new SeededRandom(4).bytes(9 * 1024 * 1024), new SeededRandom(5).bytes(8 * 1024 * 1024)];
      origin.content = first;
      let gets = 0;
      origin.behaviour = (_request, response, { method }) => {
        if (method === 'HEAD' || ++gets > 1) return false;
        response.writeHead(200, { etag: '"1"', 'content-length': first.length });
        response.write(first.subarray(0, 8 * 1024 * 1024), () => {
          origin.content = second;
          origin.etag = '"2"';
          response.destroy();
        });
        return true;
      };
      expect(await fetchFile({ computeSha256: true, connections: 1 })).toEqual({
        length: second.length,
        sha256: createHash('sha256').update(second).digest('hex'),
      });
      expect(readFileSync(path).equals(second)).toBe(true);
    });

    it('of long files are computed on a thread', async () => {
      origin.content = new SeededRandom(4).bytes(6 * 1024 * 1024);
      expect(await fetchFile({ computeSha256: true })).toMatchObject({
        sha256: createHash('sha256').update(origin.content).digest('hex'),
      });
    });
  });

  describe('misbehaviour', () => {
    /** Answers the n-th GET like this. */
    const onGet = (which: number, answer: NonNullable<HttpOrigin['behaviour']>) => {
      let gets = 0;
      origin.behaviour = (request, response, seen) => {
        if (seen.method === 'HEAD') return false;
        return ++gets === which && answer(request, response, seen);
      };
    };
    const head = { etag: '"1"', 'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT' };

    it('a dropped connection is continued where it broke', async () => {
      onGet(1, (_request, response) => {
        response.writeHead(200, { ...head, 'content-length': content.length });
        response.write(content.subarray(0, 100_000), () => response.destroy());
        return true;
      });
      await fetchFile();
      expect(same()).toBe(true);
      expect(origin.asked).toEqual(['HEAD', 'GET', expect.stringMatching(/^bytes=\d+-299999$/)]);
      expect(Number(/\d+/.exec(origin.asked[2] as string)?.[0])).toBeGreaterThan(0);
    });

    it('connections that keep dropping end as a transient error after three immediate retries', async () => {
      origin.behaviour = (_request, response) => Boolean(response.destroy());
      await expect(fetchFile()).rejects.toMatchObject({ kind: 'transient', hresult: 0x8007_2efe });
      expect(origin.asked).toEqual(['HEAD', 'HEAD', 'HEAD', 'HEAD']);
    });

    it('a short body is continued where it ended', async () => {
      origin.behaviour = (_request, response, { range: asked }) => {
        if (asked !== 'bytes=100000-149999') return false;
        const range = `bytes 100000-149999/${content.length}`;
        // Chunked, so that nothing but the count tells.
        response.writeHead(206, { ...head, 'content-range': range, 'transfer-encoding': 'chunked' });
        response.end(content.subarray(100_000, 101_000));
        return true;
      };
      await fetchFile({ connections: 2, pieceBytes: 50_000 });
      expect(same()).toBe(true);
      expect(origin.asked.filter((what) => what.startsWith('bytes=101000-'))).toHaveLength(1);
    });

    it('a part shorter than asked for, and said so, is completed by another request', async () => {
      onGet(2, (request, response) => {
        const start = Number(/bytes=(\d+)/.exec(request.headers.range ?? '')?.[1]);
        response.writeHead(206, { ...head, 'content-range': `bytes ${start}-${start + 999}/${content.length}` });
        response.end(content.subarray(start, start + 1_000));
        return true;
      });
      await fetchFile({ connections: 2, pieceBytes: 50_000 });
      expect(same()).toBe(true);
    });

    it('a long body is an error, and nothing of it reaches the file', async () => {
      origin.behaviour = (_request, response, { method, range }) => {
        const [, start, end] = /bytes=(\d+)-(\d+)/.exec(range ?? '') ?? [];
        if (method === 'HEAD' || start === undefined) return false;
        response.writeHead(206, {
          ...head,
          'content-range': `bytes ${start}-${end}/${content.length}`,
          'transfer-encoding': 'chunked',
        });
        response.end(Buffer.concat([content.subarray(Number(start), Number(end) + 1), Buffer.from('more')]));
        return true;
      };
      await expect(fetchFile({ connections: 2, pieceBytes: 50_000 })).rejects.toMatchObject({
        code: 'transfer/invalid-response',
        kind: 'transient',
      });
    });

    it.each([
      ['another range', { 'content-range': 'bytes 1-99999/300000' }, 'transfer/invalid-response'],
      ['another total', { 'content-range': 'bytes 0-99999/300001' }, 'transfer/length-changed'],
      ['no range', {}, 'transfer/invalid-response'],
      [
        'an encoding',
        { 'content-range': 'bytes 0-99999/300000', 'content-encoding': 'gzip' },
        'transfer/content-encoding',
      ],
    ])('206 with %s is refused', async (_what, headers, code) => {
      origin.behaviour = (_request, response, { method }) => {
        if (method === 'HEAD') return false;
        response.writeHead(206, { ...head, ...headers }).end(content.subarray(0, 100_000));
        return true;
      };
      await expect(fetchFile({ connections: 2, pieceBytes: 100_000 })).rejects.toMatchObject({ code });
    });

    it('HEAD without a length is BG_E_MISSING_FILE_SIZE', async () => {
      origin.behaviour = (_request, response) =>
        Boolean(response.writeHead(200, { 'transfer-encoding': 'chunked' }).end());
      await expect(fetchFile()).rejects.toMatchObject({ hresult: 0x8020_0011, kind: 'fatal' });
    });

    it('an origin without ranges that drops the connection is BG_E_INSUFFICIENT_RANGE_SUPPORT, and Resume begins at 0', async () => {
      const temporaryName = 'BIT1.tmp';
      let drop = true;
      origin.behaviour = (_request, response, { method }) => {
        response.writeHead(200, { etag: '"1"', 'content-length': content.length });
        if (method === 'HEAD') response.end();
        else if (drop) response.write(content.subarray(0, 100_000), () => response.destroy());
        else response.end(content);
        return true;
      };
      await expect(fetchFile({ temporaryName })).rejects.toMatchObject({ hresult: 0x8020_0013, kind: 'fatal' });
      drop = false;
      await fetchFile({ temporaryName });
      expect(same()).toBe(true);
    });

    it.each(['etag', 'lastModified'] as const)(
      'a file that changes in between (%s) is fetched anew, never spliced',
      async (by) => {
        const next = new SeededRandom(9).bytes(250_000);
        if (by === 'lastModified') origin.etag = undefined;
        onGet(1, (_request, response) => {
          const length = { 'content-length': content.length, 'last-modified': origin.lastModified as string };
          response.writeHead(200, origin.etag === undefined ? length : { ...length, etag: origin.etag });
          response.write(content.subarray(0, 100_000), () => {
            response.destroy();
            origin.content = next;
            origin.lastModified = 'Fri, 02 Jan 2026 00:00:00 GMT';
            if (by === 'etag') origin.etag = '"2"';
          });
          return true;
        });
        await fetchFile();
        expect(readFileSync(path).equals(next)).toBe(true);
        expect(origin.asked.slice(-2)).toEqual(['HEAD', 'GET']);
      },
    );

    it('a file that keeps changing is given up', async () => {
      let version = 1;
      origin.behaviour = (_request, _response, { method }) => {
        if (method === 'GET') origin.etag = `"${++version}"`;
        return false;
      };
      await expect(fetchFile()).rejects.toMatchObject({
        code: 'transfer/source-keeps-changing',
        kind: 'fatal',
        hresult: 0x8020_0073,
      });
      expect(origin.asked.filter((what) => what === 'HEAD')).toHaveLength(6);
    });

    it('without any validator, an interrupted file begins anew and is still one version', async () => {
      origin.etag = undefined;
      origin.lastModified = undefined;
      onGet(1, (_request, response) => {
        response.writeHead(200, { 'content-length': content.length });
        response.write(content.subarray(0, 100_000), () => response.destroy());
        return true;
      });
      await fetchFile({ connections: 4, pieceBytes: 10_000 });
      expect(same()).toBe(true);
      expect(origin.asked).toEqual(['HEAD', 'GET', 'GET']);
    });

    it('an origin that allows fewer connections gets fewer', async () => {
      origin.behaviour = (_request, response, { connection }) =>
        connection > 2 && connection < 5 && Boolean(response.writeHead(503).end());
      await fetchFile({ connections: 4, pieceBytes: 16 * 1024 });
      expect(same()).toBe(true);
    });

    it.each([
      [404, 'fatal', 0x8019_0194],
      [403, 'fatal', 0x8019_0193],
      [500, 'transient', 0x8019_01f4],
      [501, 'fatal', 0x8019_01f5],
      [503, 'transient', 0x8019_01f7],
      [408, 'transient', 0x8019_0198],
      [204, 'transient', 0x8019_00cc],
    ])('status %i is %s', async (status, kind, hresult) => {
      origin.behaviour = (_request, response) => Boolean(response.writeHead(status).end());
      await expect(fetchFile()).rejects.toMatchObject({ kind, hresult });
    });

    it('nobody at the address is a transient error', async () => {
      const { url } = origin;
      await origin.close();
      await expect(download(url, path, { roots: [folder] })).rejects.toMatchObject({
        code: 'transfer/connect',
        hresult: 0x8007_2efd,
      });
      expect(readdirSync(folder)).toEqual([]);
      origin = await HttpOrigin.start(content);
    });

    it('bytes that are no HTTP are a transient error', async () => {
      origin.behaviour = (request) => {
        request.socket.end('nonsense\r\n\r\n');
        return true;
      };
      await expect(fetchFile()).rejects.toMatchObject({ code: 'transfer/invalid-response', hresult: 0x8007_2f78 });
    });
  });

  describe('redirects', () => {
    it('are followed on the same origin and on another', async () => {
      const other = await HttpOrigin.start(content);
      origin.behaviour = (_request, response, seen) =>
        seen.path === '/file' && Boolean(response.writeHead(302, { location: '/next' }).end('moved'));
      await fetchFile();
      expect(origin.seen.map((seen) => seen.path)).toEqual(['/file', '/next', '/next']);
      origin.behaviour = (_request, response) => Boolean(response.writeHead(307, { location: other.url }).end());
      await fetchFile();
      expect(same()).toBe(true);
      expect(other.asked).toEqual(['HEAD', 'GET']);
      await other.close();
    });

    it('that have expired are asked for again', async () => {
      let issued = 0;
      let served = 0;
      origin.behaviour = (_request, response, seen) => {
        if (seen.path === '/file') return Boolean(response.writeHead(302, { location: `/signed-${++issued}` }).end());
        served++;
        if (served === 2 && issued === 1) return Boolean(response.writeHead(403).end());
        return false;
      };
      await fetchFile();
      expect(same()).toBe(true);
      expect(issued).toBe(2);
    });

    it('in a circle are refused', async () => {
      origin.behaviour = (_request, response) => Boolean(response.writeHead(302, { location: '/file' }).end());
      await expect(fetchFile()).rejects.toMatchObject({ code: 'transfer/redirect', hresult: 0x8007_2f7c });
      expect(origin.seen).toHaveLength(11);
    });
  });
});

const fetchFile = (options: DownloadOptions = {}) => download(origin.url, path, { roots: [folder], ...options });
describe('destinations', () => {
  it('outside the roots are refused, through symbolic links too', async () => {
    const outside = mkdtempSync(join(tmpdir(), 'carmine-outside-'));
    symlinkSync(outside, join(folder, 'link'));
    mkdirSync(join(folder, 'inside'));
    symlinkSync(join(folder, 'inside'), join(outside, 'back'));
    for (const target of [join(outside, 'x'), join(folder, 'link', 'x'), `${folder}/inside/../../x`]) {
      await expect(download(origin.url, target, { roots: [folder] })).rejects.toMatchObject({
        code: 'file/outside-roots',
        hresult: 0x8007_0005,
      });
    }
    // What counts is where it leads: from outside to the inside is inside.
    await download(origin.url, join(outside, 'back', 'x'), { roots: [folder] });
    expect(readdirSync(join(folder, 'inside'))).toEqual(['x']);
    // A root may itself be a link, and its name is not a prefix of its neighbours' names.
    await download(origin.url, join(outside, 'y'), { roots: [join(folder, 'link')] });
    await expect(download(origin.url, path, { roots: [folder.slice(0, -1)] })).rejects.toMatchObject({
      code: 'file/outside-roots',
    });
    await expect(download(origin.url, path, { roots: [] })).rejects.toMatchObject({ code: 'file/outside-roots' });
    await expect(download(origin.url, path, { roots: ['/no/such/root'] })).rejects.toMatchObject({
      code: 'file/outside-roots',
    });
    expect(readdirSync(outside).sort()).toEqual(['back', 'y']);
    rmSync(outside, { recursive: true });
  });

  it('that do not exist, are no directory, or are one by that name are refused', async () => {
    await expect(download(origin.url, join(folder, 'no', 'x'))).rejects.toMatchObject({ hresult: 0x8007_0003 });
    writeFileSync(path, '');
    await expect(download(origin.url, join(path, 'x'))).rejects.toMatchObject({ code: 'file/path-not-found' });
    mkdirSync(join(folder, 'dir'));
    await expect(download(origin.url, join(folder, 'dir'))).rejects.toMatchObject({ code: 'file/not-a-file' });
    expect(readdirSync(folder).sort()).toEqual(['dir', 'file']);
    expect(origin.seen).toEqual([]);
  });

  it('that are symbolic links are replaced, not followed', async () => {
    const outside = mkdtempSync(join(tmpdir(), 'carmine-outside-'));
    writeFileSync(join(outside, 'victim'), 'safe');
    symlinkSync(join(outside, 'victim'), path);
    await fetchFile();
    expect(readFileSync(join(outside, 'victim'), 'utf8')).toBe('safe');
    expect(same()).toBe(true);
    rmSync(outside, { recursive: true });
  });

  it('never write through a link in the place of the temporary file', async () => {
    const outside = mkdtempSync(join(tmpdir(), 'carmine-outside-'));
    writeFileSync(join(outside, 'victim'), 'safe');
    symlinkSync(join(outside, 'victim'), join(folder, 'BIT1.tmp'));
    await expect(fetchFile({ temporaryName: 'BIT1.tmp' })).rejects.toMatchObject({ code: 'file/not-a-file' });
    expect(readFileSync(join(outside, 'victim'), 'utf8')).toBe('safe');
    rmSync(outside, { recursive: true });
  });

  it('keep the temporary file to this user', async () => {
    let mode = 0;
    origin.behaviour = (_request, response, { method }) => {
      if (method === 'HEAD') return false;
      mode = statSync(join(folder, 'BIT1.tmp')).mode & 0o777;
      response.writeHead(404).end();
      return true;
    };
    await expect(fetchFile({ temporaryName: 'BIT1.tmp' })).rejects.toMatchObject({ hresult: 0x8019_0194 });
    expect(mode).toBe(0o600);
  });

  it('get nothing when the caller gives up', async () => {
    const controller = new AbortController();
    origin.behaviour = (_request, _response, { method }) => {
      if (method === 'GET') controller.abort();
      return method === 'GET';
    };
    await expect(fetchFile({ signal: controller.signal })).rejects.toMatchObject({ code: 'internal/aborted' });
    expect(readdirSync(folder)).toEqual([]);
    await expect(fetchFile({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'internal/aborted' });
  });

  it('get nothing when the caller gives up at the very first progress', async () => {
    const controller = new AbortController();
    origin.behaviour = () => true;
    const onProgress = () => controller.abort();
    await expect(fetchFile({ signal: controller.signal, onProgress })).rejects.toMatchObject({
      code: 'internal/aborted',
    });
    expect(readdirSync(folder)).toEqual([]);
  });
});
