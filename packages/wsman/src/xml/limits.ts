/** What one XML document may use up; everything is checked before a tree is built. */
export interface XmlLimits {
  /** Octets of the document as it came, before decoding. */
  readonly octets: number;
  /** Elements inside each other. */
  readonly depth: number;
  /** Attributes of one element, namespace declarations included. */
  readonly attributes: number;
  /** Elements, attributes, runs of text, comments and CDATA sections together. */
  readonly nodes: number;
  /** Characters of an element's or attribute's name, prefix included. */
  readonly nameLength: number;
  /** Characters of one attribute value, run of text, comment or CDATA section. */
  readonly textLength: number;
}

/**
 * Requests: MaxEnvelopeSizekb 500 as on Windows ([MS-WSMV] 2.2.4.10); the rest is far above what any client sends. A node
 * costs up to two kilobytes while it is looked at: a job with 200 files, put back as it was got, has 3000.
 */
export const requestLimits: XmlLimits = {
  octets: 512_000,
  depth: 48,
  attributes: 64,
  nodes: 4000,
  nameLength: 256,
  textLength: 131_072,
};

/** Responses: batches of a few hundred instances need more nodes than a request does. */
export const responseLimits: XmlLimits = {
  octets: 1_048_576,
  depth: 48,
  attributes: 64,
  nodes: 400_000,
  nameLength: 256,
  textLength: 524_288,
};
