import { upperCase } from './ntlm/keys.ts';

/** The NetBIOS name of a host: its first label in upper case, at most 15 characters. */
export function netbiosName(hostName: string): string {
  return upperCase(hostName.split('.')[0] ?? '').slice(0, 15);
}
