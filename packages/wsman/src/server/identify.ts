import { namespaces, protocolVersion, securityProfileBase } from '../protocol/names.ts';
import { writeBareResponse } from '../protocol/write-envelope.ts';
import { XmlWriter } from '../xml/writer.ts';
import type { WsmanIdentity } from './types.ts';

/** The answer to Identify (DSP0226 section 11); the same for everybody, so it is written once. */
export function writeIdentify(identity: WsmanIdentity, profiles: readonly string[]): string {
  const writer = new XmlWriter().start('wsmid:IdentifyResponse', { 'xmlns:wsmid': namespaces.wsmid });
  writer.element('wsmid:ProtocolVersion', protocolVersion);
  writer.element('wsmid:ProductVendor', identity.vendor).element('wsmid:ProductVersion', identity.version);
  if (profiles.length > 0) {
    writer.start('wsmid:SecurityProfiles');
    for (const profile of profiles) writer.element('wsmid:SecurityProfileName', securityProfileBase + profile);
    writer.end('wsmid:SecurityProfiles');
  }
  return writeBareResponse(writer.end('wsmid:IdentifyResponse').toString());
}
