import type { HttpAuthOutcome } from '@carmine/auth';

/** Who asks? `forbidden` is answered with 403: no other credentials would help. */
export interface DataAcceptor {
  authenticate(authorization: string | undefined): HttpAuthOutcome | { readonly kind: 'forbidden' };
}
