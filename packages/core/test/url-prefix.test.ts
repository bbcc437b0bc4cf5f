import { isCarmineError } from '@carmine/errors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseUrlPrefix } from '../src/index.ts';

describe('URL prefixes', () => {
  it.each([
    ['http://+:80/', 'http://+:80/', 'strongWildcard'],
    ['http://+:80', 'http://+:80/', 'strongWildcard'],
    ['https://*:8443/carmine', 'https://*:8443/carmine/', 'weakWildcard'],
    ['http://Server1:80/TestUrlGroup', 'http://server1:80/testurlgroup/', 'explicit'],
    ['http://files.example.org:65535/x/', 'http://files.example.org:65535/x/', 'explicit'],
    ['http://127.0.0.1:8080/a', 'http://127.0.0.1:8080/a/', 'ipBoundWeakWildcard'],
    ['http://[::1]:8080/a', 'http://[::1]:8080/a/', 'ipBoundWeakWildcard'],
    ["http://+:80/a-._~!$&'()*+,;=:@b", "http://+:80/a-._~!$&'()*+,;=:@b/", 'strongWildcard'],
  ])('%s is %s, %s', (text, normal, category) => {
    expect(parseUrlPrefix(text)).toMatchObject({ text: normal, category });
    expect(parseUrlPrefix(normal).text).toBe(normal);
  });

  it.each([
    '',
    'http://',
    'http://+',
    'http://+/',
    'http://+:/',
    'http://+:080/',
    'http://+:0/',
    'http://+:65536/',
    'http://+:8o/',
    'HTTP://+:80/',
    'ftp://+:80/',
    'http://:80/',
    'http://++:80/',
    'http://a b:80/',
    'http://[::1:80/',
    'http://[zz]:80/',
    'http://256.1.1.1:80/',
    'http://1.2.3:80/',
    'http://01.2.3.4:80/',
    'http://-a:80/',
    'http://+:80/a/b',
    'http://+:80//',
    'http://+:80/a//',
    'http://+:80/./',
    'http://+:80/..',
    'http://+:80/a?b',
    'http://+:80/a#b',
    'http://+:80/%2e%2e',
    'http://+:80/a\\b',
    'http://user@host:80/',
    `http://+:80/${'a'.repeat(2048)}`,
  ])('refuses %s', (text) => {
    expect(() => parseUrlPrefix(text)).toThrow(
      expect.objectContaining({ code: 'url-group/invalid-prefix', hresult: 0x8007_0057 }),
    );
  });

  it('normalises or refuses whatever text it gets', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((rest) => `http://+:80/${rest}`),
        ),
        (text) => {
          try {
            const prefix = parseUrlPrefix(text);
            expect(parseUrlPrefix(prefix.text)).toEqual(prefix);
          } catch (error) {
            expect(isCarmineError(error, 'url-group/invalid-prefix')).toBe(true);
          }
        },
      ),
    );
  });
});
