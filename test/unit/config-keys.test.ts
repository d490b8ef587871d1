import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { manualPages } from "../../build/man.ts";
import { camelCase } from "../../src/config/keys.ts";
import { CONFIG_KINDS, type ConfigKind } from "../../src/config/schemas/catalogue.ts";
import { policyKeys } from "../../src/config/schemas/jails.ts";

const checkout = join(import.meta.dir, "../..");
const pages = await manualPages();

interface Source {
  readonly path: string;
  readonly text: string;
  readonly imports: readonly string[];
}

/** The files of src/ that use what a config file says: src/config reads it, and src/lint only checks it. */
const sources: Source[] = readdirSync(join(checkout, "src"), { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts") && !/^(?:config|lint)\//.test(file))
  .map((file) => {
    const path = join(checkout, "src", file);
    const text = readFileSync(path, "utf8");
    const imports = [...text.matchAll(/from "(\.[^"]+)"/g)].map(([, name = ""]) => join(dirname(path), name));
    return { path, text, imports };
  });

/** The files that read the table of a config file, those that they import, and those that import them. */
function usersOf({ name, keys }: ConfigKind): Source[] {
  const own = name.replace(/^jk_/, "");
  // Its two kinds of sections have a table each.
  const tables = name === "jails" ? "jail|user" : own;
  const reader = new RegExp(
    `\\b(?:(?:${tables})Keys|read${own.charAt(0).toUpperCase()}${own.slice(1)}Section)\\b`,
  );
  // The keys of schemas/confine.ts, which several files have, are read as one.
  const shared = "confine" in keys ? /\bConfineValues\b/ : reader;
  const readers = sources.filter(({ text }) => reader.test(text) || shared.test(text));
  const imports = (one: Source, other: Source) => one.imports.includes(other.path);
  return sources.filter((one) =>
    readers.some((other) => one === other || imports(one, other) || imports(other, one)),
  );
}

/** Whether a file has `.field`, `"field"`, or takes the field out of an object. */
const reads = (field: string, { text }: Source) =>
  new RegExp(`\\.${field}\\b|"${field}"|[{,]\\s*${field}\\s*(?:[,}]|: \\w+[,\\s}]|= )`).test(text);

/** The keys that a default file lists in its comments, or sets, be it in a line that is switched off. */
function keysIn(text: string): string[] {
  const listed = [...text.matchAll(/^# *([a-z][a-z_]*(?:, [a-z][a-z_]*)*) {2,}\S/gm)];
  const set = [...text.matchAll(/^#?([a-z][a-z_]*) *=/gm)];
  return [...listed, ...set].flatMap(([, names = ""]) => names.split(", "));
}

const allKeys = CONFIG_KINDS.flatMap(({ keys }) => Object.keys(keys));

describe.each(CONFIG_KINDS.map((kind) => [`${kind.name}.ini`, kind] as const))("%s", (file, kind) => {
  const keys = Object.keys(kind.keys);
  const defaults = readFileSync(join(checkout, "config", file), "utf8");
  const page = pages.find(({ name, section }) => name === file && section === "5")?.text ?? "";

  test("a program reads each key", () => {
    const users = usersOf(kind);
    expect(keys.filter((key) => !users.some((source) => reads(camelCase(key), source)))).toEqual([]);
  });

  test("the manual page documents each key, and names no other", () => {
    expect([...page.matchAll(/^\.It Ic (\S+)(?: Ar NAME)? Pq/gm)].map(([, key]) => key)).toEqual(keys);
    const named = [...page.matchAll(/^\.Ic (\w+)/gm)].map(([, key = ""]) => key);
    expect(named.filter((key) => !allKeys.includes(key))).toEqual([]);
  });

  test("the default file mentions each key, and no other", () => {
    expect(keys.filter((key) => !new RegExp(`^#.*\\b${key}\\b`, "m").test(defaults))).toEqual([]);
    // A section [user NAME] has keys of jk_lsh.ini, too.
    const all = kind.name === "jails" ? [...keys, ...Object.keys(policyKeys)] : keys;
    expect(keysIn(defaults).filter((key) => !all.includes(key))).toEqual([]);
  });
});
