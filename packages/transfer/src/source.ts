/** One version of the file on the server, as its response headers describe it. */
export interface Source {
  /** Bytes. */
  readonly length: number;
  /** Strong entity tag with its quotes; absent when the server gave none or a weak one. */
  readonly etag?: string | undefined;
  /** Last-Modified as received. */
  readonly lastModified?: string | undefined;
  /** SHA-256 of the content by Repr-Digest (RFC 9530), lower-case hexadecimal. */
  readonly digest?: string | undefined;
}

/** What ties the parts of a file to one version of it. */
export type Validator =
  | { readonly kind: 'etag'; readonly value: string }
  | { readonly kind: 'lastModified'; readonly value: string };

/** A strong ETag where there is one, else Last-Modified (what BITS itself goes by); undefined when there is neither. */
export function validatorOf(source: Source): Validator | undefined {
  if (source.etag !== undefined) return { kind: 'etag', value: source.etag };
  if (source.lastModified !== undefined) return { kind: 'lastModified', value: source.lastModified };
  return undefined;
}

/** True when both surely describe the same version. */
export function sameVersion(a: Source, b: Source): boolean {
  const left = validatorOf(a);
  const right = validatorOf(b);
  return a.length === b.length && left !== undefined && left.kind === right?.kind && left.value === right.value;
}

/**
 * True when a source elsewhere surely has the content of ours: a strong tag or a digest is the same. The time of its last change is what
 * BITS goes by when the source of a job is changed (`moved`); to take a file from both at the same time it is not enough.
 */
export function sameContent(ours: Source, theirs: Source, expectedSha256: string | undefined, moved = false): boolean {
  if (ours.length !== theirs.length) return false;
  const digest = expectedSha256 ?? ours.digest;
  if (digest !== undefined && theirs.digest !== undefined) return digest === theirs.digest;
  if (ours.etag !== undefined && ours.etag === theirs.etag) return true;
  return moved && ours.lastModified !== undefined && ours.lastModified === theirs.lastModified;
}
