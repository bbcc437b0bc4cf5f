import { describe, expect, it } from 'vitest';
import { formatAddress, isLoopback, parseAddress } from '../src/index.ts';

describe('addresses', () => {
  it.each([
    ['127.0.0.1:0', '127.0.0.1', 0],
    ['host.example:65535', 'host.example', 65_535],
    ['[::1]:5985', '::1', 5985],
    ['[::ffff:192.0.2.1]:1', '::ffff:192.0.2.1', 1],
  ])('%s', (text, host, port) => {
    expect(parseAddress(text)).toEqual({ host, port });
    expect(formatAddress({ host, port })).toBe(text);
  });

  it.each([
    '',
    'host',
    ':1',
    'host:',
    'host:x',
    'host:-1',
    'host:65536',
    'host:123456',
    '::1:5985',
    '[::1]',
    '[x]:1',
    'a b:1',
    'a:1:2',
    'http://a:1',
  ])('%j is none', (text) => {
    expect(parseAddress(text)).toBeUndefined();
  });

  it.each([
    ['127.0.0.1', true],
    ['127.9.8.7', true],
    ['::1', true],
    ['localhost', true],
    ['0.0.0.0', false],
    ['::', false],
    ['192.0.2.1', false],
    ['127.0.0.1.example', false],
    ['localhost.example', false],
    ['', false],
  ])('%s is reached by this machine only: %s', (host, expected) => {
    expect(isLoopback(host)).toBe(expected);
  });
});
