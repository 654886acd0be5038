import type { ErrorCode } from "../base/errors.ts"
import type { AuditEvent, AuditKind, FieldsOf } from "./events.ts"

/**
 * The type of the table of audit events. It is derived from `AuditEvent`, so that a missing or surplus kind or field in
 * the table is a compile error.
 */

/** The documentation of one field. */
export type AuditField =
  | {
      readonly type: "text" | "number" | "error code"
      readonly about: string
      readonly example: string | number
    }
  | { readonly type: "choice"; readonly about: string; readonly values: Readonly<Record<string, string>> }

/** The description of a field of type `Value`. Each value of a closed set is described on its own. */
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

/** The type of one field in the members of a union that have it. */
type TypesOf<Union, Field extends PropertyKey> = Union extends unknown
  ? Field extends keyof Union
    ? Union[Field]
    : never
  : never

/** True if every member of the union has the field, and none has it optionally. */
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
