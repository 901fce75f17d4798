// Turns the package's types into those of the same thing written as JSON, and unions into strict
// ones. Nothing here knows Grafana.

/**
 * What JSON holds where the package has an enum: its value. Arrays and objects keep their shape, so
 * that the compiler goes on looking for keys that nobody declared.
 */
export type Plain<T> = unknown extends T
  ? unknown
  : T extends string
    ? `${T}`
    : T extends number | boolean | null | undefined
      ? T
      : T extends ReadonlyArray<infer Item>
        ? Array<Plain<Item>>
        : { [Key in keyof T]: Plain<T[Key]> };

type KeyOfAny<Union> = Union extends unknown ? keyof Union : never;

/**
 * The union, but a value may only have the keys of one member: else the compiler lets it borrow
 * keys from the others, and a PromQL query with a `rawSql` would pass.
 */
export type Exclusive<Union, Keys extends PropertyKey = KeyOfAny<Union>> = Union extends unknown
  ? Union & { [Key in Exclude<Keys, keyof Union>]?: undefined }
  : never;
