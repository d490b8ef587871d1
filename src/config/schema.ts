import * as z from "zod/mini";
import type { ByteString } from "../../ffi/bytes.ts";
import { sectionValues } from "./decode.ts";
import { problemOf } from "./keys.ts";
import { findEntry, type IniSection, type Problem } from "./model.ts";
import { type KeyFacts, type KeyKind, missingValue, readValue, type ValueOf } from "./values.ts";

/** What the description of a key says besides its type. */
export interface KeyDescription extends KeyFacts {
  /** One sentence for help and documentation. */
  readonly help: string;
}

/** The description that goes with the schema of a key. */
export const descriptions = z.registry<KeyDescription>();

/** Schema of a key: the text that stands in the file, or undefined, to its value. */
export type KeySchema<F extends { readonly kind: KeyKind }> = z.ZodMiniType<
  ValueOf<F>,
  ByteString | undefined
>;

/** Schema of a file's sections. */
export type SectionSchema = z.ZodMiniObject<Record<ByteString, KeySchema<{ kind: KeyKind }>>>;

/** Makes the schema of a key from its description. */
export function key<const F extends KeyDescription>(description: F): KeySchema<F> {
  const read = z.transform((text: ByteString | undefined, context) => {
    const reading = text === undefined ? { value: missingValue(description) } : readValue(text, description);
    if ("value" in reading) return reading.value as ValueOf<F>;
    context.issues.push({ code: "custom", message: reading.reason, input: text });
    return z.NEVER;
  });
  const schema = z.pipe(z.optional(z.string()), read);
  descriptions.add(schema, description);
  return schema as KeySchema<F>;
}

/** Makes the schema of a section from descriptions, by key. */
export function section<const T extends Readonly<Record<ByteString, KeyDescription>>>(
  table: T,
): z.ZodMiniObject<{ [K in keyof T]: KeySchema<T[K]> }> {
  const shape = Object.fromEntries(Object.entries(table).map(([name, one]) => [name, key(one)]));
  return z.object(shape) as unknown as z.ZodMiniObject<{ [K in keyof T]: KeySchema<T[K]> }>;
}

/** The descriptions of a schema's keys, by key, in their order. */
export function describe(schema: z.ZodMiniObject): Record<ByteString, KeyDescription> {
  const all: Record<ByteString, KeyDescription> = {};
  for (const [name, one] of Object.entries(schema.shape)) {
    const description = descriptions.get(one as z.ZodMiniType);
    if (description !== undefined) all[name] = description;
  }
  return all;
}

/**
 * The values of a section by its schema. A key whose value cannot be read gets its default, and a problem: an
 * error where the key matters for security, else a warning. Keys that the schema does not know are not looked at.
 */
export function readSection<S extends z.ZodMiniObject>(
  ini: IniSection,
  schema: S,
): { values: z.infer<S>; problems: Problem[] } {
  const texts = sectionValues(ini);
  const values: Record<ByteString, unknown> = {};
  const problems: Problem[] = [];
  for (const [name, description] of Object.entries(describe(schema))) {
    const one = schema.shape[name] as z.ZodMiniType | undefined;
    if (one === undefined) continue;
    const result = z.safeParse(one, texts.get(name));
    values[name] = result.success ? result.data : missingValue(description);
    const entry = findEntry(ini, name);
    if (entry === undefined) continue;
    const reason = result.error?.issues[0]?.message;
    const reading = reason === undefined ? readValue(entry.value, description) : { reason };
    const problem = problemOf(entry, description, reading);
    if (problem !== undefined) problems.push(problem);
  }
  return { values: values as z.infer<S>, problems };
}
