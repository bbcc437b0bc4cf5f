import type { JobCredentials } from '@carmine/core';
import type { ErrorCode } from '@carmine/errors';
import { type Asked, fine, type Reply, type Version } from './reply.ts';
import type { Script, Wire } from './stage.ts';

/** What must come of a transfer: one of these whole files, or one of these errors. */
export interface Outcome {
  readonly files: readonly ('a' | 'b')[];
  readonly errors: readonly Failure[];
}

/** How a job fails: its error code, and the state that it goes to (spec/bits.md 4.4, 4.7, 5.4). */
interface Failure {
  readonly code: ErrorCode;
  readonly hresult: number;
  readonly state: 'transientError' | 'error';
}

export const file = (...files: ('a' | 'b')[]): Outcome => ({ files, errors: [] });
const transient = (code: ErrorCode, hresult: number): Outcome => ({
  files: [],
  errors: [{ code, hresult, state: 'transientError' }],
});
const fatal = (code: ErrorCode, hresult: number): Outcome => ({
  files: [],
  errors: [{ code, hresult, state: 'error' }],
});
export const or = (...outcomes: Outcome[]): Outcome => ({
  files: outcomes.flatMap(({ files }) => files),
  errors: outcomes.flatMap(({ errors }) => errors),
});

export const status = (number: number): Outcome => fatal('transfer/http-status', 0x80190000 + number);
export const transientStatus = (number: number): Outcome =>
  transient('transfer/http-status-transient', 0x80190000 + number);
export const invalid = transient('transfer/invalid-response', 0x80072f78);
export const lost = transient('transfer/connection-lost', 0x80072efe);
export const late = transient('transfer/timed-out', 0x80072ee2);
export const badTls = transient('transfer/tls', 0x80072f7d);
export const noRanges = fatal('transfer/no-ranges', 0x80200013);
export const noLength = fatal('transfer/missing-length', 0x80200011);
export const otherLength = fatal('transfer/length-changed', 0x80200073);
export const keepsChanging = fatal('transfer/source-keeps-changing', 0x80200073);
export const encoded = fatal('transfer/content-encoding', 0x8020001b);
export const wrongDigest = fatal('transfer/digest-mismatch', 0x80200053);
export const refusedLogon = fatal('transfer/authentication', 0x80190191);
export const refusedByProxy = fatal('transfer/proxy-authentication', 0x80190197);
export const badRedirect = fatal('transfer/redirect', 0x80072f7c);
export const untrusted = fatal('transfer/untrusted', 0x80072f0d);
export const otherName = fatal('transfer/certificate-name', 0x80072f06);
export const expired = fatal('transfer/certificate-date', 0x80072f05);

/** How a file is asked for: in one GET without Range, or in ranges over three connections. */
export type Way = 'whole' | 'ranges';

/** What scripts may speak of. */
export interface Scene {
  readonly a: Version;
  /** Of the same size. */
  readonly b: Version;
  /** Another origin, http, which is good unless the misbehaviour says otherwise. */
  readonly elsewhere: string;
  /** The origin itself. */
  readonly origin: string;
}

export interface Misbehaviour {
  readonly name: string;
  /** Called once for each transfer, so that it may keep count. */
  readonly script: (scene: () => Scene) => Script;
  readonly outcome: Outcome | Readonly<Record<Way, Outcome>>;
  /** What may come besides when undici reads the answers, which is more generous in places. */
  readonly undici?: Outcome;
  /** Absent: both. */
  readonly way?: Way;
  /** What the version's good answers are like; absent: strong ETag and Last-Modified. */
  readonly version?: Partial<Version>;
  /** Bytes of the file, when it is not the usual one. */
  readonly length?: number;
  readonly certificate?: 'good' | 'expired' | 'otherName' | 'unknownAuthority';
  readonly tlsVersion?: 'TLSv1' | 'TLSv1.1';
  readonly greeting?: (wire: Wire) => void;
  readonly elsewhere?: (scene: () => Scene) => Script;
  readonly credentials?: readonly JobCredentials[];
  /** The caller knows the SHA-256 of version a. */
  readonly digestKnown?: true;
  /** Without HEAD nothing tells that it is not the file. */
  readonly plausible?: true;
  /** In the URL, before the host. */
  readonly userInfo?: string;
  /** With job and download alike, no Authorization field may be seen. */
  readonly secret?: true;
}

/** Which requests a script spoils: `first` and `later` are GETs, `second` is the second GET alone. */
export type Which = 'head' | 'get' | 'all' | 'first' | 'second' | 'later';

const matches = (which: Which, { method, nth }: Asked): boolean => {
  if (which === 'all') return true;
  if (method === 'HEAD') return which === 'head';
  return (
    which === 'get' || (which === 'first' ? nth === 1 : which === 'second' ? nth === 2 : which === 'later' && nth > 1)
  );
};

/** Good answers but for those that `edit` spoils. */
export const spoil =
  (which: Which, edit: (reply: Reply, asked: Asked, scene: Scene) => Reply): Misbehaviour['script'] =>
  (scene) =>
  (asked, wire) => {
    const reply = fine(asked, scene().a);
    wire.send((matches(which, asked) ? edit(reply, asked, scene()) : reply).bytes);
  };

/** Good answers but for those that are played otherwise. */
export const act =
  (which: Which, play: (wire: Wire, reply: Reply, asked: Asked, scene: Scene) => void): Misbehaviour['script'] =>
  (scene) =>
  (asked, wire) => {
    const reply = fine(asked, scene().a);
    if (matches(which, asked)) play(wire, reply, asked, scene());
    else wire.send(reply.bytes);
  };
