import { describe, expect, it } from 'vitest';
import { parseFileTarget, parseTarget } from '../src/target.ts';

describe('parseTarget', () => {
  it.each([
    [
      'wsman://admin@host',
      { transport: 'wsman', user: 'admin', host: 'host', port: 5985, path: undefined, name: 'wsman://host:5985' },
    ],
    [
      'wsmans://admin@host',
      { transport: 'wsmans', user: 'admin', host: 'host', port: 5986, name: 'wsmans://host:5986' },
    ],
    ['dcom://admin@host', { transport: 'dcom', port: 135, name: 'dcom://host:135' }],
    ['wsman://admin@host:80', { port: 80, name: 'wsman://host:80' }],
    ['wsman://admin@host/', { path: undefined }],
    ['wsman://admin@files.example/srv/images/win.vhdx', { host: 'files.example', path: '/srv/images/win.vhdx' }],
    ['wsman://admin@[2001:db8::1]:5985/f', { host: '2001:db8::1', name: 'wsman://[2001:db8::1]:5985', path: '/f' }],
    ['wsman://CORP%5Cadmin@host7/C:/images/win.vhdx', { user: 'CORP\\admin', path: 'C:\\images\\win.vhdx' }],
    ['wsman://admin@host/C:/', { path: 'C:\\' }],
    // Percent escapes are for what a URL cannot hold; everything else is the path's own spelling.
    ['wsman://admin@host/srv/a%20b%25?x#y', { path: '/srv/a b%?x#y' }],
    ['wsman://user%40corp.example@host/f', { user: 'user@corp.example' }],
    // Who it is, a ticket says.
    ['wsman://host/f', { user: undefined, host: 'host', path: '/f' }],
    ['wsman://admin@host//double', { path: '//double' }],
  ])('%s', (text, expected) => {
    expect(parseTarget(text)).toMatchObject(expected);
  });

  it.each([
    ['', 'is not a target'],
    ['host', 'is not a target'],
    ['/srv/file', 'is not a target'],
    ['wsman:admin@host', 'is not a target'],
    ['wsman://admin@', 'is not a target'],
    ['wsman://a@b@host', 'is not a target'],
    ['wsman://admin@host:x', 'is not a target'],
    ['wsman://admin@::1', 'is not a target'],
    ['WSMAN://admin@host', 'is not a target'],
    ['wsman://@host', 'names no user'],
    ['wsman://admin:secret@host', 'a password does not belong into a target'],
    ['wsman://admin%3Asecret@host', 'a password does not belong into a target'],
    ['wsman://admin@host:0', 'is not a port'],
    ['wsman://admin@host:65536', 'is not a port'],
    ['wsman://ad%min@host', 'broken % escape'],
    ['wsman://admin@host/a%zz', 'broken % escape'],
    ['http://admin@host', 'unknown scheme http://'],
  ])('refuses %j: %s', (text, reason) => {
    expect(() => parseTarget(text)).toThrow(
      expect.objectContaining({ code: 'usage/invalid', message: expect.stringContaining(reason) }),
    );
  });

  it('does not repeat a password that it refuses', () => {
    expect(() => parseTarget('wsman://admin:hunter2@host')).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('hunter2') }),
    );
  });
});

describe('parseFileTarget', () => {
  it('needs a path', () => {
    expect(parseFileTarget('wsman://admin@host/f').path).toBe('/f');
    for (const text of ['wsman://admin@host', 'wsman://admin@host/'])
      expect(() => parseFileTarget(text)).toThrow(expect.objectContaining({ message: `"${text}" names no file` }));
  });
});
