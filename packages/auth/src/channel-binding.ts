import { createHash } from 'node:crypto';
import { ByteWriter, concatBytes } from '@carmine/wire';
import { contextTag, DerReader } from '@carmine/wire/der';
import { md5 } from './crypto/digest.ts';

/**
 * Channel binding of a TLS connection, RFC 5929 section 4: the application data `tls-server-end-point:` followed by the hash of
 * the server's certificate. This is what every `channelBinding` option of this package takes.
 */
export function tlsServerEndPoint(certificateDer: Uint8Array): Uint8Array {
  const hash = createHash(certificateHash(certificateDer)).update(certificateDer).digest();
  return concatBytes(new TextEncoder().encode('tls-server-end-point:'), hash);
}

/**
 * gss_channel_bindings_struct without addresses, as RFC 4121 section 4.1.1.2 lays it out for hashing:
 * initiator address type and length, acceptor address type and length (all zero), length of the application data, the data.
 */
function gssChannelBindings(applicationData: Uint8Array): Uint8Array {
  return new ByteWriter().zeros(16).u32(applicationData.length).bytes(applicationData).toBytes();
}

/** What NTLM (MsvAvChannelBindings) and Kerberos (the authenticator's checksum) carry: MD5 of the structure. */
export function channelBindingHash(applicationData: Uint8Array): Uint8Array {
  return md5(gssChannelBindings(applicationData));
}

/**
 * RFC 5929 section 4.1: the hash of the certificate's signature algorithm, "if [it] is either MD5 or SHA-1, then use SHA-256".
 * UNSPECIFIED: signatures without one single hash function (Ed25519): SHA-256.
 */
function certificateHash(certificateDer: Uint8Array): string {
  // Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue } (RFC 5280 section 4.1)
  const certificate = new DerReader(certificateDer, 'certificate').sequence();
  certificate.sequence();
  const algorithm = certificate.sequence();
  const identifier = algorithm.objectIdentifier();
  if (identifier === rsassaPss) return pssHash(algorithm);
  return hashOfSignature.get(identifier) ?? 'sha256';
}

/** RSASSA-PSS-params ::= SEQUENCE { hashAlgorithm [0] HashAlgorithm DEFAULT sha1, … } (RFC 4055 section 3.1) */
function pssHash(algorithm: DerReader): string {
  const hash = algorithm.sequence().enterIf(contextTag(0))?.sequence().objectIdentifier();
  return (hash === undefined ? undefined : hashes.get(hash)) ?? 'sha256';
}

const rsassaPss = '1.2.840.113549.1.1.10';

/** Signature algorithms whose hash is not SHA-256 (RFC 4055, RFC 5758): all others, MD5 and SHA-1 included, give SHA-256. */
const hashOfSignature = new Map([
  ['1.2.840.113549.1.1.12', 'sha384'],
  ['1.2.840.113549.1.1.13', 'sha512'],
  ['1.2.840.113549.1.1.14', 'sha224'],
  ['1.2.840.10045.4.3.1', 'sha224'],
  ['1.2.840.10045.4.3.3', 'sha384'],
  ['1.2.840.10045.4.3.4', 'sha512'],
]);

const hashes = new Map([
  ['2.16.840.1.101.3.4.2.2', 'sha384'],
  ['2.16.840.1.101.3.4.2.3', 'sha512'],
  ['2.16.840.1.101.3.4.2.4', 'sha224'],
]);
