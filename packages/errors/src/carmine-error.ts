import { type ErrorCode, type ErrorContext, type ErrorDefinition, type ErrorKind, errorDefinitions } from './codes.ts';

/** What a raiser may add to a code; `hresult` and `message` override the registry's where a peer gave its own. */
export interface CarmineErrorOptions<C extends ErrorCode> {
  readonly context?: ErrorContext<C>;
  /** Unsigned 32-bit HRESULT. */
  readonly hresult?: number;
  readonly message?: string;
  readonly cause?: unknown;
}

/**
 * The one error class of Carmine. `code` is stable and comes from the registry; `kind` says whose fault it is and
 * whether a retry may help; `hresult` is the Windows code that management protocols carry.
 */
export class CarmineError<C extends ErrorCode = ErrorCode> extends Error {
  readonly code: C;
  readonly kind: ErrorKind;
  readonly hresult: number | undefined;
  readonly context: ErrorContext<C>;

  constructor(code: C, options: CarmineErrorOptions<C> = {}) {
    const definition: ErrorDefinition = errorDefinitions[code];
    const context = (options.context ?? {}) as ErrorContext<C>;
    super(
      options.message ?? render(definition.text, context),
      'cause' in options ? { cause: options.cause } : undefined,
    );
    this.name = 'CarmineError';
    this.code = code;
    this.kind = definition.kind;
    this.hresult = options.hresult ?? definition.hresult;
    this.context = context;
  }

  /** Wraps anything thrown; a CarmineError passes through unchanged, the rest becomes `internal/unexpected`. */
  static from(thrown: unknown): CarmineError {
    if (isCarmineError(thrown)) return thrown;
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return new CarmineError('internal/unexpected', { context: { message }, cause: thrown });
  }
}

/** Narrows to CarmineError and, when `code` is given, to that code with its typed context. */
export function isCarmineError<C extends ErrorCode = ErrorCode>(value: unknown, code?: C): value is CarmineError<C> {
  return value instanceof CarmineError && (code === undefined || value.code === code);
}

/** `{name}` in a registry text is replaced by the context's value of that name. */
function render(text: string, context: object): string {
  const values = context as Record<string, unknown>;
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => (name in values ? String(values[name]) : whole));
}
