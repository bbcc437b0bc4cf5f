import type { HttpAcceptor } from '@carmine/auth';
import type { Token } from '@carmine/security';
import type { WsmanAcceptor } from '@carmine/wsman';

/** What a connection's client certificate is worth at this moment. */
export interface PresentedCertificate {
  /** Who it stands for; undefined when it stands for nobody, not now or not any more. */
  token(): Token | undefined;
  /** For the audit. */
  readonly name: string;
}

/**
 * Adds the client certificate of a TLS connection (`https/mutual`) to what a connection accepts. It counts for requests without
 * credentials, unless the connection has an identity already, and for those whose Authorization header is the hint of DSP0226
 * C.3.5; the hint without an accepted certificate is forbidden. The certificate is looked at anew at each request.
 */
export function certificateAcceptor(inner: HttpAcceptor, presented: PresentedCertificate | undefined): WsmanAcceptor {
  // A context belongs to the identity that made it: what the certificate's holder sends is not sealed under another's.
  let byCertificate = false;
  return {
    get context() {
      return byCertificate ? undefined : inner.context;
    },
    authenticate(authorization) {
      byCertificate = false;
      const isHint = authorization?.trim().toLowerCase() === mutualHint;
      if (!isHint) {
        const outcome = inner.authenticate(authorization);
        if (authorization !== undefined || outcome.kind === 'accepted') return outcome;
        const token = presented?.token();
        if (token === undefined) return outcome;
        byCertificate = true;
        return { kind: 'accepted', token };
      }
      const token = presented?.token();
      if (token === undefined) return { kind: 'forbidden', attempted: presented?.name };
      byCertificate = true;
      return { kind: 'accepted', token };
    },
  };
}

const mutualHint = 'http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual';
