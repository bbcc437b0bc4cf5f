import { CarmineError, formatHresult } from '@carmine/errors';
import { exitCodeOf } from './exit-code.ts';

export type OutputFormat = 'text' | 'json' | 'ndjson';

/** A document for machines; `schema` names its form. */
export type Document = { readonly schema: `carmine.${string}/${number}` } & Record<string, unknown>;

/** stdout is data, stderr is progress and messages. */
export class Output {
  readonly format: OutputFormat;

  constructor(format: OutputFormat) {
    this.format = format;
  }

  /** The result of a command: text for people, or one document. */
  result(text: string, document: Document): void {
    process.stdout.write(
      this.format === 'text' ? (text === '' ? '' : `${printable(text)}\n`) : `${toJson(document)}\n`,
    );
  }

  /** One element of a stream; text and json print nothing here. */
  element(document: Document): void {
    if (this.format === 'ndjson') process.stdout.write(`${toJson(document)}\n`);
  }

  message(text: string): void {
    process.stderr.write(`${printable(text)}\n`);
  }

  failure(thrown: unknown, hint?: string): void {
    const error = CarmineError.from(thrown);
    const hresult = error.hresult === undefined ? null : formatHresult(error.hresult);
    this.message(
      `carmine: ${error.message}${hresult === null || error.message.includes(hresult) ? '' : ` [${hresult}]`}`,
    );
    if (hint !== undefined) this.message(`hint: ${hint}`);
    if (error.code === 'internal/unexpected' && error.cause instanceof Error) this.message(error.cause.stack ?? '');
    else if (process.env['CARMINE_LOG'] === 'debug') this.message(error.stack ?? '');
    if (this.format === 'text') return;
    const document: Document = {
      schema: 'carmine.error/1',
      code: error.code,
      kind: error.kind,
      hresult,
      message: error.message,
      hint: hint ?? null,
      exitCode: exitCodeOf(error),
    };
    process.stdout.write(`${toJson(document)}\n`);
  }
}

/**
 * Names and messages come from other machines: a control character in them must not reach the terminal, where it could
 * change what was printed before. Line ends and tabs are ours.
 */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, '\ufffd');
}

/** Sizes are numbers up to 2^53; anything larger is not a size but "unknown" and becomes null. */
export function toJson(document: unknown): string {
  return JSON.stringify(document, (_key, value) =>
    typeof value === 'bigint' ? (value <= 0x1f_ffff_ffff_ffffn ? Number(value) : null) : value,
  );
}

/** Columns as wide as their widest cell, two blanks between. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return [head, ...rows].map(line).join('\n');
}

/** 1.5 GiB, 12.0 MiB, 17 B. */
export function formatBytes(bytes: bigint | number): string {
  let value = Number(bytes);
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return unit === 0 ? `${value} B` : `${value.toFixed(1)} ${units[unit]}`;
}

/** 17 s, 3 min 20 s, 2 h 5 min; whole seconds in. */
export function formatDuration(seconds: number): string {
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}
