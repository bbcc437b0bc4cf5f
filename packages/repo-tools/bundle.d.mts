/** Options of tsup. */
export declare const bundle: Readonly<Record<string, unknown>>;
