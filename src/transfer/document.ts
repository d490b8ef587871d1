import type { ByteString } from "../../ffi/bytes.ts";
import { jsonText } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { LIMITS } from "../config/model.ts";
import { socketdKeys } from "../config/schemas/socketd.ts";
import { REFUSABLE } from "../jail/record/without.ts";
import { readShape, type Shape, type ValueOf } from "./shape.ts";

/** The largest file that is read. A jail with ten thousand users has about 3 MB. */
export const LARGEST_EXPORT = 16 << 20;

const VERSION = 1;
const TOOL = "jailkit export";

/** The largest number of characters of a name or comment. */
export const LONGEST_NAME = 1024;

const path = { kind: "text", longest: 4096 } as const;
const name = { kind: "text", longest: LONGEST_NAME } as const;
const id = { kind: "number", least: 0, most: 0xffff_fffe, whole: true } as const;
const keys = { kind: "texts", most: 64, longest: 1 << 16 } as const;

const request = {
  kind: "object",
  fields: {
    tool: { kind: "choice", of: ["jk_init", "jk_cp"] },
    names: { kind: "list", of: path, most: 10_000 },
    copyShell: { kind: "flag" },
    hardlink: { kind: "flag" },
    owner: { kind: "flag" },
    setuid: { kind: "flag" },
  },
} as const satisfies Shape;

const section = {
  kind: "object",
  fields: {
    name,
    own: { kind: "flag", about: "It is not in jk_init.ini itself, but in a file of the administrator." },
    keys: { ...keys, about: "Keys of jk_init.ini." },
  },
} as const satisfies Shape;

const user = {
  kind: "object",
  fields: {
    name,
    uid: id,
    gid: id,
    group: { ...name, about: "The primary group." },
    groups: { kind: "list", of: { kind: "object", fields: { name, gid: id } }, most: 1000 },
    comment: name,
    home: { ...path, about: "As the jail sees it." },
    shell: { ...path, about: "In the jail." },
    local: { kind: "flag", about: "It is in /etc/passwd, not in a name service such as LDAP." },
  },
} as const satisfies Shape;

// A section of jk_lsh.ini may have a pattern for each command.
const manyKeys = { ...keys, most: LIMITS.keysInSection } as const;
const named = { kind: "object", fields: { name, keys: manyKeys } } as const satisfies Shape;

const limit = ({ minimum, maximum }: { minimum: number; maximum: number }, whole: boolean) =>
  ({ kind: "number", least: minimum, most: maximum, whole }) as const;

/** The form of the file of `jailkit export`, besides `version` and `tool`. */
export const TRANSFER = {
  kind: "object",
  fields: {
    jail: { ...path, about: "Its path on the machine that it comes from." },
    requests: {
      kind: "list",
      of: request,
      most: 10_000,
      about: "Sections that jk_init was asked for, and files that jk_cp was asked for, in their order.",
    },
    live: { kind: "list", of: path, most: 100, about: "Of a live jail." },
    sections: {
      kind: "list",
      of: section,
      most: 10_000,
      about: "These sections and those that they include, as the machine has them.",
    },
    users: { kind: "list", of: user, most: 100_000, about: "Without passwords." },
    policies: {
      kind: "list",
      of: named,
      most: 100_000,
      about: "The sections of the jail's jk_lsh.ini that apply to them.",
    },
    settings: {
      kind: "list",
      of: named,
      most: 100_000,
      about: "Their own sections of the machine's jk_chrootsh.ini.",
    },
    logSocket: {
      kind: "nullable",
      of: {
        kind: "object",
        fields: {
          base: limit(socketdKeys.base, true),
          peak: limit(socketdKeys.peak, true),
          interval: limit(socketdKeys.interval, false),
        },
      },
      about: "The limits of its log socket.",
    },
    proc: { kind: "flag", about: "/etc/fstab mounts proc in it." },
    without: {
      kind: "list",
      of: { kind: "choice", of: REFUSABLE },
      most: REFUSABLE.length,
      optional: true,
      about: "What it does without, whatever its sections bring.",
    },
  },
} as const satisfies Shape;

/** What a jail was made from, from another machine. */
export type Transfer = ValueOf<typeof TRANSFER>;
export type TransferRequest = Transfer["requests"][number];
export type TransferSection = Transfer["sections"][number];
export type TransferUser = Transfer["users"][number];
export type NamedKeys = Transfer["policies"][number];

/** The file, as a value of JSON. */
export function documentOf(transfer: Transfer): object {
  const { without, ...rest } = transfer;
  // An earlier version reads a file without it.
  const all = without.length === 0 ? rest : transfer;
  return { version: VERSION, tool: TOOL, ...(encode(all) as object) };
}

/** A sum that differs between two descriptions, whatever the white space of their files. */
export const digestOf = (transfer: Transfer): ByteString =>
  new Bun.CryptoHasher("sha256").update(JSON.stringify(documentOf(transfer))).digest("hex");

function encode(value: unknown): unknown {
  if (value === undefined) return null;
  if (typeof value === "string") return jsonText(value);
  if (Array.isArray(value)) return value.map(encode);
  if (value instanceof Map)
    return Object.fromEntries([...value].map(([key, text]) => [jsonText(key), encode(text)]));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, encode(item)]));
}

const bad = (message: string) => new JailkitError("bad-export", 1, message);

/** Reads the file, which nobody vouches for. Throws JailkitError "bad-export". */
export function parseTransfer(bytes: Uint8Array): Transfer {
  if (bytes.length > LARGEST_EXPORT) throw bad(`the file is larger than ${LARGEST_EXPORT >> 20} MB`);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw bad("the file is not what 'jailkit export' writes: it is not JSON");
  }
  if (typeof value !== "object" || value === null || !("tool" in value) || value.tool !== TOOL)
    throw bad("the file is not what 'jailkit export' writes");
  const { tool: _, version, ...rest } = value as { tool: unknown; version?: unknown };
  if (version !== VERSION)
    throw bad("the file is of another version of jailkit: import it with that version or a newer one");
  return readShape(rest, TRANSFER);
}
