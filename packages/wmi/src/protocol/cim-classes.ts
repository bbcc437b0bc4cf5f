import {
  type CimClass,
  type CimElement,
  type CimInstance,
  type CimMethod,
  type CimParameter,
  type CimProperty,
  type CimSchema,
  type CimValue,
  findByName,
  inParameters,
  outParameters,
  returnValueElement,
} from '@carmine/cim';
import { flagQualifier, textQualifier } from '../wmio/qualifiers.ts';
import {
  flavors,
  type WmioClass,
  type WmioClassPart,
  type WmioDecoration,
  type WmioInstance,
  type WmioMethod,
  type WmioMethods,
  type WmioProperty,
  type WmioQualifier,
  type WmioValue,
  wmioTypes,
} from '../wmio/types.ts';
import { toWmioValue, wmioTypeOf } from './cim-types.ts';
import { derivationOf } from './system-classes.ts';

/** The classes of a schema as WMIO objects; each class part is made once. */
export class WmioSchema {
  readonly #schema: CimSchema;
  readonly #server: string;
  readonly #parts = new Map<CimClass, Map<string, WmioClassPart>>();

  /** `server`: the name of this machine, in each object's decoration. */
  constructor(schema: CimSchema, server: string) {
    this.#schema = schema;
    this.#server = server;
  }

  /** A class with its methods; `amended` with the descriptions, which clients ask for separately. */
  class(cls: CimClass, amended: boolean): WmioClass {
    const [superclass] = derivationOf(cls);
    const parentClass = superclass === undefined ? undefined : this.#schema.findClass(cls.namespace, superclass);
    return {
      kind: 'class',
      flags: 0,
      decoration: this.#decoration(cls.namespace),
      parent: this.#parent(cls, parentClass),
      parentMethods: noMethods,
      current: amended ? classPart(cls, undefined, true) : this.part(cls),
      methods: { methods: cls.methods.map((method) => this.#method(cls, method, amended)) },
    };
  }

  /** The class of instances; with `selected` properties only, as a projection has it. */
  part(cls: CimClass, selected?: readonly string[]): WmioClassPart {
    const key = selected?.join('\0').toLowerCase() ?? '';
    const parts = this.#parts.get(cls) ?? new Map<string, WmioClassPart>();
    this.#parts.set(cls, parts);
    let part = parts.get(key);
    if (part === undefined) {
      part = classPart(cls, selected, false);
      // Clients choose projections: those are kept for a few.
      if (parts.size > keptProjections) parts.clear();
      parts.set(key, part);
    }
    return part;
  }

  /** `selected` is what a projection asked for; unknown classes throw no error but lose their keys. */
  instance(instance: CimInstance, selected?: readonly string[]): WmioInstance {
    const { namespace, className, properties } = instance;
    const cls = this.#schema.findClass(namespace, className) ?? madeUp(instance);
    const current = this.part(cls, selected);
    const embed = (inner: CimInstance) => this.instance(inner);
    const values = new Map<string, WmioValue>();
    for (const { name } of current.properties) values.set(name, toWmioValue(properties.get(name) ?? null, embed));
    return {
      kind: 'instance',
      flags: 0,
      decoration: this.#decoration(cls.namespace),
      current,
      body: { className: cls.name, values, qualifiers: [], propertyQualifiers: undefined },
    };
  }

  /** What a method returned, as an instance of its out-parameter class. */
  outParameters(
    cls: CimClass,
    method: CimMethod,
    returnValue: number,
    out: ReadonlyMap<string, CimValue>,
  ): WmioInstance {
    const current = outputPart(method);
    const embed = (inner: CimInstance) => this.instance(inner);
    const values = new Map<string, WmioValue>([[returnValueElement.name, returnValue]]);
    for (const { name } of outParameters(method)) values.set(name, toWmioValue(out.get(name) ?? null, embed));
    return {
      kind: 'instance',
      flags: 0,
      decoration: this.#decoration(cls.namespace),
      current,
      body: { className: parametersClass, values, qualifiers: [], propertyQualifiers: undefined },
    };
  }

  #parent(cls: CimClass, parentClass: CimClass | undefined): WmioClassPart {
    return parentClass === undefined || derivationOf(cls).length === 0 ? noClass : this.part(parentClass);
  }

  #method(cls: CimClass, method: CimMethod, amended: boolean): WmioMethod {
    const signature = (part: WmioClassPart): WmioClass => ({
      kind: 'class',
      flags: 0,
      decoration: this.#decoration(cls.namespace),
      parent: noClass,
      parentMethods: noMethods,
      current: part,
      methods: noMethods,
    });
    const qualifiers = [flagQualifier('Implemented', 0)];
    if (method.isStatic) qualifiers.push(flagQualifier('Static', flavors.notOverridable | flavors.toSubclass));
    if (amended) qualifiers.push(description(method.description));
    return {
      name: method.name,
      flags: 0,
      origin: derivationOf(cls).length,
      qualifiers,
      // QUIRK: Windows has an empty signature where there are no parameters, and impacket wants one to be there.
      ...(inParameters(method).length === 0
        ? { input: null, emptyInput: true }
        : { input: signature(inputPart(method)) }),
      output: signature(outputPart(method)),
    };
  }

  #decoration(namespace: string): WmioDecoration {
    return { server: this.#server, namespace };
  }
}

/** The in-parameters of a method as an instance, as a client sends them. */
export function inParametersInstance(
  method: CimMethod,
  given: ReadonlyMap<string, CimValue>,
  embed: (instance: CimInstance) => WmioInstance,
): WmioInstance {
  const current = inputPart(method);
  const values = new Map<string, WmioValue>();
  for (const { name } of current.properties) values.set(name, toWmioValue(given.get(name) ?? null, embed));
  const body = { className: parametersClass, values, qualifiers: [], propertyQualifiers: undefined };
  return { kind: 'instance', flags: 0, decoration: undefined, current, body };
}

/** What stands where there is no class. */
export const noClass: WmioClassPart = { name: null, derivation: [], qualifiers: [], properties: [] };
export const noMethods: WmioMethods = { methods: [] };

function classPart(cls: CimClass, selected: readonly string[] | undefined, amended: boolean): WmioClassPart {
  const derivation = derivationOf(cls);
  const elements =
    selected === undefined
      ? cls.properties
      : cls.properties.filter(({ name }) => selected.some((wanted) => wanted.toLowerCase() === name.toLowerCase()));
  const qualifiers: WmioQualifier[] = [];
  if (cls.provider !== '') {
    qualifiers.push(flagQualifier('dynamic', flavors.toInstance));
    qualifiers.push(textQualifier('provider', cls.provider, 0));
  } else if (cls.name.startsWith('__')) qualifiers.push(flagQualifier('abstract', 0));
  if (amended) qualifiers.push(description(cls.description));
  const properties = elements.map((property, order) => propertyOf(property, order, derivation.length, amended));
  return { name: cls.name, derivation, qualifiers, properties: byName(properties) };
}

function propertyOf(property: CimProperty, order: number, origin: number, amended: boolean): WmioProperty {
  const qualifiers: WmioQualifier[] = [cimType(property)];
  if (property.key) qualifiers.push(flagQualifier('key', passedOn | flavors.notOverridable));
  qualifiers.push(flagQualifier('read', passedOn));
  if (property.writable) qualifiers.push(flagQualifier('write', passedOn));
  if (amended) qualifiers.push(description(property.description));
  return element(property, order, origin, qualifiers);
}

function inputPart(method: CimMethod): WmioClassPart {
  return cached(inputs, method, () => parametersPart(method, inParameters(method), []));
}

function outputPart(method: CimMethod): WmioClassPart {
  return cached(outputs, method, () => {
    const last = element(returnValueElement, outParameters(method).length, 0, [
      cimType(returnValueElement),
      flagQualifier('out', 0),
    ]);
    return parametersPart(method, outParameters(method), [last]);
  });
}

/** Abstract class `__PARAMETERS`, [MS-WMIO] 2.3.3: numbers run over in- and out-parameters together. */
function parametersPart(
  method: CimMethod,
  parameters: readonly CimParameter[],
  more: readonly WmioProperty[],
): WmioClassPart {
  const properties = parameters.map((parameter, order) => {
    const qualifiers: WmioQualifier[] = [cimType(parameter), flagQualifier(parameter.direction, 0)];
    if (parameter.optional) qualifiers.push(flagQualifier('Optional', 0));
    const value = method.parameters.indexOf(parameter);
    qualifiers.push({ name: 'ID', flavor: flavors.toInstance | flavors.notOverridable, type: wmioTypes.sint32, value });
    return element(parameter, order, 0, qualifiers);
  });
  return {
    name: parametersClass,
    derivation: [],
    qualifiers: [flagQualifier('abstract', 0)],
    properties: byName([...properties, ...more]),
  };
}

function element(of: CimElement, order: number, origin: number, qualifiers: readonly WmioQualifier[]): WmioProperty {
  return {
    name: of.name,
    type: wmioTypeOf(of),
    inherited: false,
    order,
    origin,
    qualifiers,
    defaultValue: null,
    defaultInherited: false,
  };
}

function cimType({ type, embeddedClass }: CimElement): WmioQualifier {
  let value: string = type;
  if (type === 'object' && embeddedClass !== undefined) value = `object:${embeddedClass}`;
  if (type === 'reference') value = 'ref';
  return textQualifier('CIMTYPE', value, passedOn);
}

function description(text: string): WmioQualifier {
  return textQualifier('Description', text, amendedFlavor | passedOn);
}

/** Readers look properties up by halving: the order counts, whatever the case. */
function byName(properties: readonly WmioProperty[]): readonly WmioProperty[] {
  const key = ({ name }: WmioProperty) => name.toUpperCase();
  return [...properties].sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0));
}

/** Events hold instances of classes that may be others'. */
function madeUp({ namespace, className, properties }: CimInstance): CimClass {
  return {
    namespace,
    name: className,
    provider: '',
    description: '',
    methods: [],
    properties: [...properties.keys()].map((name) => ({
      name,
      type: 'string',
      array: false,
      key: false,
      writable: false,
      description: '',
    })),
  };
}

function cached<K extends object, V>(map: WeakMap<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}

/** The canonical spelling of selected properties; undefined: all. */
export function selectedNames(cls: CimClass, asked: readonly string[] | undefined): readonly string[] | undefined {
  return asked?.map((name) => findByName(cls.properties, name)?.name ?? name);
}

const inputs = new WeakMap<CimMethod, WmioClassPart>();
const outputs = new WeakMap<CimMethod, WmioClassPart>();
const passedOn = flavors.toInstance | flavors.toSubclass;
const amendedFlavor = 0x80;
const parametersClass = '__PARAMETERS';
const keptProjections = 64;
