import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CarmineError,
  errnoToHresult,
  errorDefinitions,
  errorFromHresult,
  explain,
  formatHresult,
  hresultEntries,
  hresultFromHttpStatus,
  hresultFromWin32,
  isCarmineError,
  isFailure,
  lookUpHresult,
} from '../src/index.ts';

describe('CarmineError', () => {
  it('renders its context, keeps its cause and takes kind and HRESULT from the registry', () => {
    const cause = new Error('below');
    const error = new CarmineError('job/not-found', { context: { jobId: '{X}' }, cause });
    expect(error).toMatchObject({ message: 'there is no job {X}', kind: 'fatal', hresult: 0x8020_0001, cause });
    expect(isCarmineError(error, 'job/not-found') && error.context.jobId).toBe('{X}');
    expect(isCarmineError(error, 'job/empty')).toBe(false);
    expect(isCarmineError(cause)).toBe(false);
  });

  it('wraps anything thrown, and itself not', () => {
    const own = new CarmineError('job/empty');
    expect(CarmineError.from(own)).toBe(own);
    expect(CarmineError.from(new TypeError('x'))).toMatchObject({ code: 'internal/unexpected', kind: 'local' });
    expect(CarmineError.from('text').message).toContain('text');
  });

  it('has well-formed codes, each with HRESULTs that are failures', () => {
    for (const [code, definition] of Object.entries(errorDefinitions)) {
      expect(code).toMatch(/^[a-z-]+\/[a-z-]+$/);
      if ('hresult' in definition) expect(isFailure(definition.hresult)).toBe(true);
    }
  });

  it('has an HRESULT in the table for every code that carries one', () => {
    for (const [code, definition] of Object.entries(errorDefinitions)) {
      if ('hresult' in definition) expect(lookUpHresult(definition.hresult), code).toBeDefined();
    }
  });

  it('finds back a code for an HRESULT, and keeps unknown ones', () => {
    expect(errorFromHresult(0x8020_0001, 'GetJob')).toMatchObject({ code: 'job/not-found', hresult: 0x8020_0001 });
    expect(errorFromHresult(0x8007_00b7, 'CreateUrl')).toMatchObject({ code: 'url/exists' });
    expect(errorFromHresult(-0x7fdf_ffff, 'x').hresult).toBe(0x8020_0001);
    expect(errorFromHresult(0xdead_beef, 'x')).toMatchObject({ code: 'cim/failed', hresult: 0xdead_beef });
  });
});

describe('HRESULTs', () => {
  // Spot values from the BITS Return Values page, winerror.h and wbemcli.h.
  it.each([
    [0x8020_0001, 'BG_E_NOT_FOUND'],
    [0x8020_0049, 'BG_E_TOO_MANY_JOBS_PER_USER'],
    [0x8020_0050, 'BG_E_TOO_MANY_JOBS_PER_MACHINE'],
    [0x8020_0076, 'BG_E_ERROR_CONTEXT_SERVER_CERTIFICATE_CALLBACK'],
    [0x0020_0017, 'BG_S_PARTIAL_COMPLETE'],
    [0x8019_0194, 'BG_E_HTTP_ERROR_404'],
    [0x8007_2f0d, 'WINHTTP_SECURE_INVALID_CA'],
    [0x8007_0005, 'E_ACCESSDENIED'],
    [0x8004_1003, 'WBEM_E_ACCESS_DENIED'],
  ])('%i is %s', (value, name) => {
    expect(lookUpHresult(value)?.name).toBe(name);
  });

  it('has all documented codes, each once, with meaning and remedy', () => {
    expect(hresultEntries.filter(({ name }) => name.startsWith('BG_E_'))).toHaveLength(101);
    expect(hresultEntries.filter(({ name }) => name.startsWith('BG_S_'))).toHaveLength(5);
    expect(new Set(hresultEntries.map(({ value }) => value)).size).toBe(hresultEntries.length);
    expect(new Set(hresultEntries.map(({ name }) => name)).size).toBe(hresultEntries.length);
    for (const { name, meaning, remedy } of hresultEntries) {
      expect(meaning, name).not.toBe('');
      expect(remedy, name).not.toBe('');
    }
  });

  it('computes HTTP and Win32 values', () => {
    expect(hresultFromHttpStatus(503)).toBe(0x8019_01f7);
    expect(hresultFromWin32(12029)).toBe(0x8007_2efd);
    expect(errnoToHresult('ENOSPC')).toBe(0x8007_0070);
    expect(errnoToHresult('ENOTHING')).toBeUndefined();
    expect(formatHresult(0x8007_0005)).toBe('0x80070005');
  });

  it('explains values in every spelling, names, statuses and own codes', () => {
    const expected = { code: '0x80200001', name: 'BG_E_NOT_FOUND', meaning: 'job not found' };
    for (const spelling of [
      '0x80200001',
      '0X80200001',
      '2149580801',
      '-2145386495',
      'bg_e_not_found',
      ' BG_E_NOT_FOUND ',
    ]) {
      expect(explain(spelling), spelling).toMatchObject(expected);
    }
    expect(explain('404')).toMatchObject({ code: '0x80190194', name: 'BG_E_HTTP_ERROR_404', meaning: 'not found' });
    expect(explain('418')?.name).toBe('BG_E_HTTP_ERROR_418');
    expect(explain('job/not-found')).toMatchObject({
      code: 'job/not-found',
      name: 'BG_E_NOT_FOUND',
      meaning: 'there is no job <jobId>',
    });
    for (const unknown of ['', '0x', '0x123456789', 'BG_E_NONSENSE', '99999999999', 'job/none'])
      expect(explain(unknown)).toBeUndefined();
  });

  it.each([
    '',
    'nonsense',
    'toString',
    '__proto__',
    'constructor',
    '99',
    '600',
    '0x123456789',
    '-2147483649',
    '4294967296',
  ])('knows nothing of %j', (text) => {
    expect(explain(text)).toBeUndefined();
  });

  it('never throws whatever it is asked to explain', () => {
    fc.assert(fc.property(fc.string(), (text) => void explain(text)));
  });
});
