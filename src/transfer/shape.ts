import type { ByteString } from "../../ffi/bytes.ts";
import { display } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { controlsOf, fromJsonText } from "../jail/record/manifest-text.ts";

/**
 * The form of a JSON value, with bounds. The reader below goes by it, and so does the zod schema in report-schema.ts: no
 * tool loads zod.
 */
export type Shape =
  | {
      readonly kind: "text";
      readonly longest: number;
      readonly about?: string;
      /** Control characters are in it as withControls has them. */
      readonly controls?: boolean;
    }
  | { readonly kind: "flag"; readonly about?: string }
  | { readonly kind: "number"; readonly least: number; readonly most: number; readonly whole: boolean }
  | { readonly kind: "choice"; readonly of: readonly string[] }
  | {
      readonly kind: "list";
      readonly of: Shape;
      readonly most: number;
      readonly about?: string;
      /** A list without items is not written. */
      readonly optional?: boolean;
    }
  | { readonly kind: "object"; readonly fields: Readonly<Record<string, Shape>>; readonly about?: string }
  /** An object with any names, and texts. */
  | { readonly kind: "texts"; readonly most: number; readonly longest: number; readonly about?: string }
  | {
      readonly kind: "nullable";
      readonly of: Shape;
      readonly about?: string;
      /** It may be missing. */
      readonly optional?: boolean;
    };

/** The value of a shape, as it is read. */
export type ValueOf<S extends Shape> = S extends { kind: "text" }
  ? ByteString
  : S extends { kind: "flag" }
    ? boolean
    : S extends { kind: "number" }
      ? number
      : S extends { kind: "choice"; of: readonly (infer Word)[] }
        ? Word
        : S extends { kind: "list"; of: infer Item extends Shape }
          ? readonly ValueOf<Item>[]
          : S extends { kind: "texts" }
            ? ReadonlyMap<ByteString, ByteString>
            : S extends { kind: "nullable"; of: infer Some extends Shape }
              ? ValueOf<Some> | undefined
              : S extends { fields: infer Fields extends Readonly<Record<string, Shape>> }
                ? { readonly [Key in keyof Fields]: ValueOf<Fields[Key]> }
                : never;

const refuse = (place: string, what: string): never => {
  throw new JailkitError("bad-export", 1, `${place === "" ? "the file" : display(place)} ${what}`);
};

/** Reads a value of JSON.parse. Throws JailkitError "bad-export", which names the place of the first mistake. */
export function readShape<const S extends Shape>(value: unknown, shape: S): ValueOf<S> {
  return read(value, shape, "") as ValueOf<S>;
}

function read(value: unknown, shape: Shape, place: string): unknown {
  switch (shape.kind) {
    case "text":
      return readText(value, shape.longest, place, shape.controls);
    case "flag":
      return typeof value === "boolean" ? value : refuse(place, "is neither true nor false");
    case "number":
      return readNumber(value, shape, place);
    case "choice":
      return shape.of.find((word) => word === value) ?? refuse(place, `is not one of ${shape.of.join(", ")}`);
    case "nullable":
      return value === null ? undefined : read(value, shape.of, place);
    case "list":
      if (!Array.isArray(value)) return refuse(place, "is not a list");
      if (value.length > shape.most) return refuse(place, `has more than ${shape.most} items`);
      return value.map((item, index) => read(item, shape.of, `${place}[${index}]`));
    case "texts":
      return readTexts(value, shape, place);
    case "object":
      return readObject(value, shape.fields, place);
  }
}

function readText(value: unknown, longest: number, place: string, controls = false): ByteString {
  if (typeof value !== "string") return refuse(place, "is not a text");
  if (value.length > longest) return refuse(place, `is longer than ${longest} characters`);
  if (/[\0-\x1f\x7f]/.test(value)) return refuse(place, "has a control character");
  return fromJsonText(controls ? controlsOf(value) : value);
}

function readNumber(value: unknown, shape: Shape & { kind: "number" }, place: string): number {
  const { least, most, whole } = shape;
  const fits = typeof value === "number" && value >= least && value <= most;
  if (fits && (!whole || Number.isInteger(value))) return value;
  return refuse(place, `is not a ${whole ? "whole " : ""}number from ${least} to ${most}`);
}

function requireObject(value: unknown, place: string): object {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return refuse(place, "is not an object");
  return value;
}

function readTexts(value: unknown, shape: Shape & { kind: "texts" }, place: string) {
  const fields = Object.entries(requireObject(value, place));
  if (fields.length > shape.most) return refuse(place, `has more than ${shape.most} fields`);
  return new Map(
    fields.map(([name, text]) => [
      readText(name, shape.longest, place),
      readText(text, shape.longest, `${place}.${name}`),
    ]),
  );
}

// What was declared of thousands of users is read in each run: no list is made of the fields of each.
function readObject(value: unknown, shapes: Readonly<Record<string, Shape>>, place: string) {
  const fields = requireObject(value, place);
  const prefix = place === "" ? "" : `${place}.`;
  // A part that is not understood could be what makes the rest safe.
  for (const name of Object.keys(fields))
    if (!Object.hasOwn(shapes, name)) refuse(`${prefix}${name}`, "is not known to this version of jailkit");
  const found: Record<string, unknown> = {};
  for (const name of Object.keys(shapes)) {
    const shape = shapes[name] as Shape;
    if (Object.hasOwn(fields, name))
      found[name] = read((fields as Record<string, unknown>)[name], shape, `${prefix}${name}`);
    else if (shape.kind === "list" && shape.optional === true) found[name] = [];
    else if (shape.kind === "nullable" && shape.optional === true) found[name] = undefined;
    else refuse(`${prefix}${name}`, "is missing");
  }
  return found;
}
