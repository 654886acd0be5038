import type { ErrorCode } from "../base/errors.ts"
import type { AuditEvent, AuditKind, FieldsOf } from "./events.ts"

/**
 * The type of the table of audit events. It follows from `AuditEvent`, so that a kind or a field that the table lacks, or
 * has too many, is a compile error.
 */

/** One field, as the documentation describes it. */
export type AuditField =
  | {
      readonly type: "text" | "number" | "error code"
      readonly about: string
      readonly example: string | number
    }
  | { readonly type: "choice"; readonly about: string; readonly values: Readonly<Record<string, string>> }

/** The description of a field of this type; each value of a closed set has a meaning of its own. */
type FieldOfType<Value> = [string] extends [Value]
  ? { readonly type: "text"; readonly about: string; readonly example: string }
  : [number] extends [Value]
    ? { readonly type: "number"; readonly about: string; readonly example: number }
    : [ErrorCode] extends [Value]
      ? { readonly type: "error code"; readonly about: string; readonly example: ErrorCode }
      : {
          readonly type: "choice"
          readonly about: string
          readonly values: Readonly<Record<Value & string, string>>
        }

/** The type of one field over the members of a union that have it. */
type TypesOf<Union, Field extends PropertyKey> = Union extends unknown
  ? Field extends keyof Union
    ? Union[Field]
    : never
  : never

/** True where every member of the union always has the field. */
type IsAlways<Union, Field extends PropertyKey> = false extends (
  Union extends unknown
    ? Field extends keyof Union
      ? {} extends Pick<Union, Field>
        ? false
        : true
      : false
    : never
)
  ? false
  : true

type Fields<Event, Always extends boolean> = {
  readonly [
    Field in Exclude<FieldsOf<Event>, "kind"> as IsAlways<Event, Field> extends Always ? Field : never
  ]: FieldOfType<Exclude<TypesOf<Event, Field>, undefined>>
}

interface KindDescription<Event> {
  readonly about: string
  /** Fields that stand in every line of this kind. */
  readonly always: Fields<Event, true>
  readonly sometimes: Fields<Event, false>
}

export type AuditEventTable = {
  readonly [Kind in AuditKind]: KindDescription<Extract<AuditEvent, { readonly kind: Kind }>>
}
