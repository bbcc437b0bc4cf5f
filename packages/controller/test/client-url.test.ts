import { parseUrlPrefix } from '@carmine/core';
import { expect, it } from 'vitest';
import { clientUrl } from '../src/index.ts';

it.each([
  ['https://+:8443/carmine', 'files.example', 'https://files.example:8443/carmine/s'],
  ['http://*:80/', '192.0.2.1', 'http://192.0.2.1:80/s'],
  ['https://+:8443/a/', '2001:db8::1', 'https://[2001:db8::1]:8443/a/s'],
  ['https://+:8443/a/', '[2001:db8::1]', 'https://[2001:db8::1]:8443/a/s'],
  // A prefix for one host is reached by that host, whatever the source is called.
  ['https://www.example:8443/a/', 'files.example', 'https://www.example:8443/a/s'],
  ['https://[2001:db8::2]:8443/a/', 'files.example', 'https://[2001:db8::2]:8443/a/s'],
])('%s on %s is %s', (prefix, host, expected) => {
  expect(clientUrl(parseUrlPrefix(prefix), host, 's')).toBe(expected);
});
