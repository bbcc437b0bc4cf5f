import { type Codec, guid } from '@carmine/wire';

export interface SyntaxId {
  readonly uuid: string;
  readonly major: number;
  readonly minor: number;
}

/** p_syntax_id_t, C706 12.6.3.1: the version is one u32, its major number in the lower half. */
export const syntaxId: Codec<SyntaxId> = {
  name: 'p_syntax_id_t',
  alignment: 4,
  size: 20,
  write(writer, { uuid, major, minor }) {
    guid.write(writer, uuid);
    writer.u32(((minor << 16) | major) >>> 0);
  },
  read(reader) {
    const uuid = guid.read(reader);
    const version = reader.u32();
    return { uuid, major: version & 0xffff, minor: version >>> 16 };
  },
};

/** NDR 2.0, the only transfer syntax here: DCOM takes no other ([MS-DCOM] 2.2). */
export const ndrSyntax: SyntaxId = { uuid: '8a885d04-1ceb-11c9-9fe8-08002b104860', major: 2, minor: 0 };

export const noSyntax: SyntaxId = { uuid: '00000000-0000-0000-0000-000000000000', major: 0, minor: 0 };

/** Bind-time feature negotiation, [MS-RPCE] 3.3.1.5.3: what follows the prefix is a bit mask. */
const featurePrefix = '6cb71c2c-9812-4540-';
export const features = { securityContextMultiplexing: 1, keepConnectionOnOrphan: 2 } as const;

/** The bit mask, or undefined for a syntax that is none of features. */
export function featuresOf({ uuid, major, minor }: SyntaxId): number | undefined {
  if (!uuid.startsWith(featurePrefix) || major !== 1 || minor !== 0) return undefined;
  return Number.parseInt(uuid.slice(19, 21), 16);
}

export function featureSyntax(mask: number): SyntaxId {
  return { uuid: `${featurePrefix}${mask.toString(16).padStart(2, '0')}00-000000000000`, major: 1, minor: 0 };
}

export function sameSyntax(a: SyntaxId, b: SyntaxId): boolean {
  return a.uuid === b.uuid && a.major === b.major && a.minor === b.minor;
}
