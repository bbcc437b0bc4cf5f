/** CIM types as WMIO numbers them ([MS-WMIO] 2.2.82); an array has `arrayFlag` set. */
export const wmioTypes = {
  sint16: 2,
  sint32: 3,
  real32: 4,
  real64: 5,
  string: 8,
  boolean: 11,
  object: 13,
  sint8: 16,
  uint8: 17,
  uint16: 18,
  uint32: 19,
  sint64: 20,
  uint64: 21,
  datetime: 101,
  reference: 102,
  char16: 103,
} as const;

export const arrayFlag = 0x2000;
/** In a property's information only: it comes of a superclass. */
export const inheritedFlag = 0x4000;

/** 64-bit integers are bigint, other numbers number; datetimes and references are strings. */
export type WmioValue = null | boolean | number | bigint | string | WmioObject | readonly WmioValue[];

/** [MS-WMIO] 2.2.60. */
export interface WmioQualifier {
  readonly name: string;
  readonly flavor: number;
  readonly type: number;
  readonly value: WmioValue;
}

/** Qualifier flavors, [MS-WMIO] 2.2.62. */
export const flavors = { toInstance: 0x01, toSubclass: 0x02, notOverridable: 0x10, propagated: 0x20 } as const;

/** A property of a class, with its default. */
export interface WmioProperty {
  readonly name: string;
  /** With `arrayFlag`, without `inheritedFlag`. */
  readonly type: number;
  readonly inherited: boolean;
  /** Its place in the value table. */
  readonly order: number;
  /** Index of the class that declared it, counted from the topmost ancestor. */
  readonly origin: number;
  readonly qualifiers: readonly WmioQualifier[];
  readonly defaultValue: WmioValue;
  /** Whether the default is the superclass's. */
  readonly defaultInherited: boolean;
}

/** [MS-WMIO] 2.2.15. Properties are in the order of their names. */
export interface WmioClassPart {
  /** NULL: there is no class, as where a superclass would stand. */
  readonly name: string | null;
  /** Superclasses, the immediate one first. */
  readonly derivation: readonly string[];
  readonly qualifiers: readonly WmioQualifier[];
  readonly properties: readonly WmioProperty[];
  readonly layout?: ClassLayout | undefined;
}

/** [MS-WMIO] 2.2.38. */
export interface WmioMethod {
  readonly name: string;
  /** 0x20: inherited. */
  readonly flags: number;
  readonly origin: number;
  readonly qualifiers: readonly WmioQualifier[] | null;
  /** Abstract classes `__PARAMETERS`; NULL: the method has none. */
  readonly input: WmioObject | null;
  readonly output: WmioObject | null;
  /** Three octets that mean nothing. */
  readonly padding?: Uint8Array | undefined;
  /** Octets that are said to belong to a signature and mean nothing. */
  readonly emptyInput?: boolean | undefined;
  readonly emptyOutput?: boolean | undefined;
}

export interface WmioMethods {
  readonly methods: readonly WmioMethod[];
  readonly layout?: { readonly padding: number; readonly heap: HeapLayout; readonly rest: Uint8Array } | undefined;
}

export interface WmioDecoration {
  readonly server: string;
  readonly namespace: string;
}

export interface WmioClass {
  readonly kind: 'class';
  /** ObjectFlags besides those of kind and decoration. */
  readonly flags: number;
  readonly decoration: WmioDecoration | undefined;
  readonly parent: WmioClassPart;
  readonly parentMethods: WmioMethods;
  readonly current: WmioClassPart;
  readonly methods: WmioMethods;
  /** Octets after the last part; some encoders leave any. */
  readonly rest?: Uint8Array | undefined;
}

export interface WmioInstance {
  readonly kind: 'instance';
  readonly flags: number;
  readonly decoration: WmioDecoration | undefined;
  readonly current: WmioClassPart;
  readonly body: WmioInstanceBody;
  readonly rest?: Uint8Array | undefined;
}

/** [MS-WMIO] 2.2.53 from EncodingLength on. */
export interface WmioInstanceBody {
  readonly className: string | null;
  /** By property; what stands for the default of the class is not there. */
  readonly values: ReadonlyMap<string, WmioValue>;
  readonly qualifiers: readonly WmioQualifier[];
  /** Qualifiers of single properties, in the order of the class; usually there are none. */
  readonly propertyQualifiers: readonly (readonly WmioQualifier[])[] | undefined;
  readonly layout?: ValuesLayout | undefined;
}

export type WmioObject = WmioClass | WmioInstance;

/**
 * How an encoder placed what a heap has: offsets in the order in which our encoder meets the items, and the octets in between. With
 * it the same octets are written again; without it items stand one after the other.
 */
export interface HeapLayout {
  readonly length: number;
  readonly offsets: readonly number[];
  /** What is no item. */
  readonly gaps: readonly { readonly at: number; readonly octets: Uint8Array }[];
}

interface ValuesLayout {
  readonly heap: HeapLayout;
  /** Bits of the NdTable that belong to no property. */
  readonly spareBits: number;
  /** Slots of NULL and default values that are not filled as usual, by place. */
  readonly slots: ReadonlyMap<number, Uint8Array>;
  /** Bits of the NdTable by place, where an encoder set others than ours would. */
  readonly bits?: ReadonlyMap<number, number> | undefined;
  /** Octets within the declared length that mean nothing. */
  readonly rest: Uint8Array;
}

interface ClassLayout extends ValuesLayout {
  /** ValueTableOffset by place, where they do not follow from the order. */
  readonly valueOffsets: readonly number[] | undefined;
}
