import { CarmineError, type ErrorCode, errorDefinitions, errorFromHresult } from '@carmine/errors';
import { describe, expect, it } from 'vitest';
import { exitCodeOf, exitCodes } from '../src/exit-code.ts';

/** Frozen: scripts branch on these. A code never changes its place; a new one belongs here as well. */
const frozen: Readonly<Record<number, string>> = {
  // our bug
  1: 'internal/unexpected internal/aborted',
  // usage or configuration
  2: `configuration/unreadable configuration/syntax configuration/unknown-key configuration/invalid configuration/missing
      configuration/exists configuration/in-use configuration/address configuration/no-certificate configuration/no-account
      configuration/account-exists configuration/bad-account usage/invalid wire/unencodable job/invalid-argument
      job/invalid-url job/store-damaged job/store-key job/store-version url-group/invalid-prefix url-group/invalid-property
      url-group/invalid-argument url/invalid-suffix file/not-a-file transfer/journal`,
  // no such job, group or machine
  3: `cim/not-found cim/invalid-namespace cim/invalid-class job/not-found url-group/not-found url/not-found
      controller/job-vanished`,
  // authentication or authorisation
  4: `auth/required auth/failed auth/access-denied auth/policy auth/no-common-mechanism auth/throttled wsman/untrusted
      job/account-not-available url-group/http-refused url/outside-roots file/access-denied file/outside-roots
      transfer/authentication transfer/proxy-authentication`,
  // transient, retry may help
  5: `internal/shutting-down wsman/unreachable wsman/timed-out transfer/http-status-transient transfer/connect
      transfer/name-not-resolved transfer/connection-lost transfer/timed-out transfer/invalid-response
      transfer/source-changed transfer/tls`,
  // permanent transfer error
  6: `internal/not-implemented wire/truncated wire/invalid wire/limit wire/trailing auth/protocol auth/bad-signature
      security/invalid-sid security/invalid-sddl cim/failed cim/invalid-method cim/invalid-method-parameters
      cim/invalid-parameter cim/type-mismatch cim/invalid-object-path cim/missing-keys cim/unexpected-keys cim/invalid-query
      cim/invalid-query-type cim/not-supported cim/read-only cim/key-changed wsman/fault wsman/http wsman/malformed
      wsman/unexpected job/invalid-state job/empty job/no-error-information job/too-many-files job/too-many-jobs
      job/string-too-long job/user-name-too-long job/password-too-long job/unsupported-scheme job/invalid-auth-target
      job/invalid-auth-scheme job/invalid-credentials job/invalid-proxy job/certificate-not-found
      job/uploads-not-supported job/maximum-download-time url-group/invalid-state url-group/port-in-use
      url-group/no-certificate url-group/certificate-not-found url/exists transfer/http-status transfer/missing-length
      transfer/no-ranges transfer/invalid-range transfer/overlapping-ranges transfer/too-many-ranges transfer/length-changed transfer/source-keeps-changing transfer/content-encoding
      transfer/untrusted transfer/certificate-name transfer/certificate-date transfer/client-certificate-needed
      transfer/redirect transfer/no-progress controller/job-failed controller/extension-missing`,
  // integrity
  7: 'transfer/digest-mismatch controller/integrity',
  // timed out waiting, job goes on
  9: 'controller/timed-out',
  // local disk
  10: 'file/not-found file/path-not-found file/invalid-name file/disk-full file/busy file/io',
};

describe('exit codes', () => {
  it('are these numbers', () => {
    expect(exitCodes).toEqual({
      done: 0,
      bug: 1,
      usage: 2,
      notFound: 3,
      refused: 4,
      transient: 5,
      transfer: 6,
      integrity: 7,
      partly: 8,
      timedOut: 9,
      localDisk: 10,
      interrupted: 130,
      terminated: 143,
    });
  });

  const expected = new Map(
    Object.entries(frozen).flatMap(([exit, codes]) => codes.split(/\s+/).map((code) => [code, Number(exit)] as const)),
  );

  it('are frozen for every error code there is', () => {
    const actual = Object.keys(errorDefinitions).map((code) => [code, exitCodeOf(new CarmineError(code as ErrorCode))]);
    expect(Object.fromEntries(actual)).toMatchObject(Object.fromEntries(expected));
    for (const [code, exit] of actual) expect([1, 2, 3, 4, 5, 6, 7, 9, 10], code as string).toContain(exit);
  });

  it.each([
    // what a job ended with
    [0x8020_0053, 7],
    [0x8019_0191, 4],
    [0x8019_0193, 4],
    [0x8019_0197, 4],
    [0x8019_0194, 6],
    [0x8007_0070, 10],
    [0x8007_0003, 10],
    [0x8007_0020, 10],
    [0x8007_0005, 4],
    [0x8007_2efd, 5],
    [0x8007_2f0d, 6],
    [0x8020_0024, 6],
    // what a machine answered
    [0x8004_1003, 4],
    [0x8004_1002, 3],
    [0x8004_100e, 3],
    [0x8020_0001, 3],
    [0x8007_0490, 3],
    [0x8007_0057, 2],
    [0x8020_0002, 6],
    [0x8004_1033, 5],
    [0x8123_4567, 6],
  ])('of 0x%s is %i', (hresult, exit) => {
    expect(exitCodeOf(errorFromHresult(hresult, 'test'))).toBe(exit);
  });

  it('of a host that does not exist is that of a machine that does not', () => {
    const lookup = Object.assign(new Error('getaddrinfo'), { code: 'ENOTFOUND' });
    const context = { target: 'x', reason: 'y' };
    const wrapped = new CarmineError('wsman/unreachable', {
      context,
      cause: new Error('fetch failed', { cause: lookup }),
    });
    expect(exitCodeOf(wrapped)).toBe(3);
    const refused = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' });
    expect(exitCodeOf(new CarmineError('wsman/unreachable', { context, cause: refused }))).toBe(5);
  });

  it('of anything else is our bug', () => {
    for (const thrown of [new TypeError('x'), 'text', undefined, null, 7]) expect(exitCodeOf(thrown)).toBe(1);
  });
});
