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
