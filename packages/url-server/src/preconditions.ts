import { parseHttpDate } from '@carmine/core';
import type { Validators } from './validators.ts';

/** Request headers that preconditions are made of; undefined when absent. */
export interface ConditionalHeaders {
  readonly ifMatch?: string | undefined;
  readonly ifNoneMatch?: string | undefined;
  readonly ifModifiedSince?: string | undefined;
  readonly ifUnmodifiedSince?: string | undefined;
  readonly ifRange?: string | undefined;
}

/** Evaluates in the order of RFC 9110 section 13.2.2, steps 1 to 4, for GET and HEAD. */
export function evaluatePreconditions(
  headers: ConditionalHeaders,
  validators: Validators,
): 'proceed' | 'notModified' | 'failed' {
  const { ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince } = headers;
  if (ifMatch !== undefined) {
    if (!matchesAny(ifMatch, validators.etag, 'strong')) return 'failed';
  } else if (ifUnmodifiedSince !== undefined) {
    const date = parseHttpDate(ifUnmodifiedSince);
    if (date !== undefined && validators.lastModified > date) return 'failed';
  }
  if (ifNoneMatch !== undefined) {
    if (matchesAny(ifNoneMatch, validators.etag, 'weak')) return 'notModified';
  } else if (ifModifiedSince !== undefined) {
    const date = parseHttpDate(ifModifiedSince);
    if (date !== undefined && validators.lastModified <= date) return 'notModified';
  }
  return 'proceed';
}

/**
 * Step 5: whether Range may be honoured. Only a strong ETag matches; a date must be exactly Last-Modified (RFC 9110
 * section 13.1.5). A date is only a strong validator when the file is not changed twice in its second (8.8.2.2): the
 * ETag is there for those who need certainty.
 */
export function rangeAllowed(ifRange: string | undefined, validators: Validators): boolean {
  if (ifRange === undefined) return true;
  const text = ifRange.trim();
  if (text.startsWith('"')) return text === validators.etag;
  if (text.startsWith('W/')) return false;
  return parseHttpDate(text) === validators.lastModified;
}

function matchesAny(list: string, etag: string, comparison: 'strong' | 'weak'): boolean {
  if (list.trim() === '*') return true;
  for (const [, weak, tag] of list.matchAll(/(W\/)?("[\x21\x23-\x7e\x80-\xff]*")/g)) {
    if (tag === etag && (comparison === 'weak' || weak === undefined)) return true;
  }
  return false;
}
