/** What every field is handed. */
import type { JsonValue, WidgetEntry } from "../graph";

export interface FieldProps {
  readonly entry: WidgetEntry;
  readonly value: JsonValue;
  /** A thread gives the value: the field only says so. */
  readonly linked: boolean;
  /** The value is at fault. */
  readonly wrong: boolean;
  /** Name for people who do not see the node around it. */
  readonly name: string;
  /** Top and height in the node. */
  readonly top: number;
  readonly height: number;
  readonly set: (value: JsonValue) => void;
  /** The edit is over: what follows is another undo step. */
  readonly done: () => void;
}
