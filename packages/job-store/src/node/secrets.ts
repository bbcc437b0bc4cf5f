import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { closeSync, constants, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { CarmineError } from '@carmine/errors';

/**
 * Encrypts secrets at rest: AES-256-GCM, a new random nonce each time, the job's id as associated data so that a secret
 * cannot be moved to another job.
 *
 * ```
 * version u8 = 1 | nonce 12 | tag 16 | ciphertext
 * ```
 */
export interface SecretBox {
  seal(plaintext: string, jobId: string): Uint8Array;
  /** Throws `job/store-key` when it was changed or sealed with another key. */
  open(sealed: Uint8Array, jobId: string): string;
}

export function createSecretBox(key: Uint8Array): SecretBox {
  return {
    seal(plaintext, jobId) {
      const nonce = randomBytes(nonceLength);
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(jobId));
      const ciphertext = Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final()]);
      return Buffer.concat([Buffer.of(1), nonce, cipher.getAuthTag(), ciphertext]);
    },
    open(sealed, jobId) {
      const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
      try {
        if (bytes[0] !== 1) throw new RangeError('unknown version');
        const nonce = bytes.subarray(1, 1 + nonceLength);
        const tag = bytes.subarray(1 + nonceLength, 1 + nonceLength + tagLength);
        const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: tagLength })
          .setAAD(Buffer.from(jobId))
          .setAuthTag(tag);
        const ciphertext = bytes.subarray(1 + nonceLength + tagLength);
        return Buffer.concat([decipher.update(ciphertext), decipher.final()]).toString('utf8');
      } catch (cause) {
        throw new CarmineError('job/store-key', {
          context: { reason: `those of job ${jobId} do not fit the key file` },
          cause,
        });
      }
    },
  };
}

/** Reads the key, or makes one that only this user can read and that is durable before it is used. */
export function loadOrCreateKey(path: string): Uint8Array {
  try {
    const handle = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
    try {
      const key = randomBytes(keyLength);
      writeSync(handle, key);
      fsyncSync(handle);
      syncDirectory(dirname(path));
      return key;
    } finally {
      closeSync(handle);
    }
  } catch (thrown) {
    if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'EEXIST')) throw thrown;
  }
  const key = readFileSync(path);
  if (key.length !== keyLength) {
    throw new CarmineError('job/store-key', { context: { reason: `the key file ${path} has the wrong length` } });
  }
  return key;
}

export function syncDirectory(path: string): void {
  if (process.platform === 'win32') return;
  const handle = openSync(path, constants.O_RDONLY);
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

const keyLength = 32;
const nonceLength = 12;
const tagLength = 16;
