/**
 * One authentication exchange, initiator or acceptor, whatever the mechanism (the shape of GSS-API, RFC 2743). It does
 * no IO: tokens go in and come out. Each method throws CarmineError: `refused` when authentication fails, `remote`
 * when the peer's bytes are wrong.
 */
export interface SecurityContext {
  readonly mechanism: 'ntlm' | 'kerberos' | 'spnego';
  /** True once both sides are authenticated and the protection methods may be used. */
  readonly complete: boolean;
  /**
   * Takes the peer's token (undefined on an initiator's first step) and returns the token to send, or undefined when
   * there is nothing more to send.
   */
  step(input?: Uint8Array): Uint8Array | undefined;
  /** Encrypts: `header` is what WS-Management calls the encryption header (16 bytes with NTLM), `data` the ciphertext. */
  wrap(plaintext: Uint8Array): SealedMessage;
  /** Decrypts and checks; throws `auth/bad-signature` and the context is then unusable. */
  unwrap(message: SealedMessage): Uint8Array;
  /** Signature over the bytes without encrypting them. */
  sign(data: Uint8Array): Uint8Array;
  verify(data: Uint8Array, signature: Uint8Array): void;
  readonly sessionKey: Uint8Array;
  /** Acceptor only, once complete: the account that was authenticated. */
  readonly peer: AuthenticatedAccount | undefined;
}

export interface SealedMessage {
  readonly header: Uint8Array;
  readonly data: Uint8Array;
}

/** What an acceptor knows of the account behind a completed exchange. */
export interface AuthenticatedAccount {
  /** As audit shows it: `DOMAIN\user`. */
  readonly name: string;
  readonly userSid: string;
  /** Groups the account is a member of; the implied ones (Everyone, …) are added when the token is made. */
  readonly groupSids: readonly string[];
}

/** A local account as acceptors need it. */
export interface Account extends AuthenticatedAccount {
  /** NTOWFv1: MD4 of the UTF-16LE password, 16 bytes. */
  readonly ntHash: Uint8Array;
}

/** Finds an enabled account; `user` and `domain` are compared case-insensitively, and any domain names this machine. */
export type AccountLookup = (user: string, domain: string) => Account | undefined;

/** Who an initiator is. `user` may also be `DOMAIN\user` or `user@domain`. */
export interface PasswordCredentials {
  readonly user: string;
  readonly password: string;
  readonly domain?: string | undefined;
}

/** Where randomness and time come from: values in tests, the operating system in shells. */
export interface Environment {
  /** Milliseconds since 1970-01-01 UTC. */
  now(): number;
  randomBytes(length: number): Uint8Array;
}
