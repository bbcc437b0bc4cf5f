/** A certificate with its private key, ready for TLS; PEM texts. */
export interface StoredCertificate {
  /** Leaf first, then intermediates. */
  readonly certificate: string;
  readonly privateKey: string;
  /** SHA-1 of the leaf's DER, 20 bytes: how Windows names it. */
  readonly thumbprint: Uint8Array;
  /** SHA-256 of the leaf's DER, 32 bytes. */
  readonly sha256: Uint8Array;
  /** Subject as one line, for people and for look-up by name. */
  readonly subject: string;
}

/** The certificate stores that SetSslCertificate and SetClientCertificate… name (`MY`, …). */
export interface CertificateStore {
  findByThumbprint(storeName: string, thumbprint: Uint8Array): Promise<StoredCertificate | undefined>;
  /** First certificate whose subject contains `subject`, case-insensitively. */
  findBySubject(storeName: string, subject: string): Promise<StoredCertificate | undefined>;
}
