/** The same type with every field, at every depth, read-only; bytes stay bytes. */
export type DeepReadonly<T> = T extends Uint8Array
  ? T
  : T extends (infer Element)[]
    ? readonly DeepReadonly<Element>[]
    : T extends object
      ? { readonly [Key in keyof T]: DeepReadonly<T[Key]> }
      : T
