import { type FuzzTarget, largestToken, remoteOrRefused } from '../target.ts';
import { kerberosContextSeeds } from './kerberos/context.ts';
import { isFileError, kerberosFileSeeds } from './kerberos/files.ts';
import { kerberosKdcSeeds } from './kerberos/kdc.ts';
import { kerberosMessageSeeds } from './kerberos/messages.ts';
import { kerberosPacSeeds } from './kerberos/pac.ts';
import { kerberosScene } from './kerberos/scene.ts';

/**
 * Kerberos as a server and as a client, with both families of AES. What is encrypted is changed outside, which must not
 * decrypt, and inside, where whoever knows the key may say anything but not be somebody else.
 */
export function kerberosTarget(): FuzzTarget {
  const scenes = [18, 20].map(kerberosScene);
  const makers = [kerberosContextSeeds, kerberosMessageSeeds, kerberosPacSeeds, kerberosKdcSeeds];
  return {
    seeds: [...scenes.flatMap((scene) => makers.flatMap((make) => make(scene))), ...kerberosFileSeeds(scenes[0]!)],
    dictionary: [
      '\x30\x80',
      '\xa0\x84',
      '\x6e\x82',
      '\x05\x04',
      '20260101000000Z',
      '99991231235959Z',
      '\xff\xff\xff\xff',
    ],
    maximum: largestToken,
    documented: (error) => remoteOrRefused(error) || isFileError(error),
  };
}
