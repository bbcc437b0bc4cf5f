import { formatHttpDate } from '@carmine/core';

/** What identifies one version of a source file. */
export interface FileVersion {
  readonly size: number;
  readonly device: bigint;
  readonly inode: bigint;
  /** Nanoseconds since 1970. */
  readonly modified: bigint;
  readonly changed: bigint;
}

export interface Validators {
  /** Strong, with its quotes. */
  readonly etag: string;
  /** Milliseconds since 1970, whole seconds. */
  readonly lastModified: number;
}

/** Strong ETag from inode, size, mtime and ctime in nanoseconds; Last-Modified from mtime. The same object for the same version object. */
export function validatorsOf(version: FileVersion): Validators {
  let validators = known.get(version);
  if (validators === undefined) {
    validators = makeValidators(version);
    known.set(version, validators);
  }
  return validators;
}

function makeValidators(version: FileVersion): Validators {
  const parts = [version.inode, BigInt(version.size), version.modified, version.changed].map((part) =>
    part.toString(36),
  );
  return { etag: `"${parts.join('-')}"`, lastModified: Number(version.modified / 1_000_000_000n) * 1000 };
}

export function sameVersion(a: FileVersion, b: FileVersion): boolean {
  return (
    a.size === b.size &&
    a.device === b.device &&
    a.inode === b.inode &&
    a.modified === b.modified &&
    a.changed === b.changed
  );
}

export function lastModifiedHeader(validators: Validators): string {
  let text = lastModifiedTexts.get(validators);
  if (text === undefined) {
    text = formatHttpDate(validators.lastModified);
    lastModifiedTexts.set(validators, text);
  }
  return text;
}

/** What is asked for again with every range of a file. */
const known = new WeakMap<FileVersion, Validators>();
const lastModifiedTexts = new WeakMap<Validators, string>();
