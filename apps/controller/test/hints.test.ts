import { CarmineError, errorFromHresult } from '@carmine/errors';
import { describe, expect, it } from 'vitest';
import { hintFor } from '../src/hints.ts';

describe('hintFor', () => {
  it.each([
    [['url', 'create', 'p', 's', '/f'], 0x8007_0005, '[server] roots'],
    [['url', 'create', 'p', 's', '/f'], 0x8007_0002, 'no such file'],
    [['job', 'create', 'n', 'u', '/f'], 0x8007_0005, '[client] roots'],
    [['certificate', 'get', '443'], 0x8007_0490, 'has no certificate'],
    // Without a word of its own a command has that of the table.
    [['job', 'show', 'x'], 0x8020_0001, 'carmine job list --ended'],
    [['job', 'resume', 'x'], 0x8019_0194, 'carmine url create'],
  ])('%j, 0x%s: %s', (words, hresult, expected) => {
    expect(hintFor(words, errorFromHresult(hresult, 'test'))).toContain(expected);
  });

  it('has none for what says enough itself', () => {
    expect(hintFor(['job', 'show'], new CarmineError('usage/invalid', { context: { reason: 'x' } }))).toBeUndefined();
    expect(hintFor(['copy'], errorFromHresult(0x8123_4567, 'x'))).toBeUndefined();
    expect(hintFor(['copy'], new CarmineError('controller/timed-out'))).toBeUndefined();
  });
});
