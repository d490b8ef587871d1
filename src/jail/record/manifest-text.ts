import { type ByteString, utf8 } from "../../../ffi/bytes.ts";
import { jsonText } from "../../cli/display.ts";

/** A file that jailkit put into a jail, as it was then, with its source. */
export interface ManifestEntry {
  /** As the jail sees it, without symbolic links: "/usr/bin/vim". The key. */
  path: ByteString;
  type: "file" | "directory" | "link" | "char" | "block";
  /** The file of the host that it was copied from; undefined for a generated file, such as etc/passwd. */
  source?: ByteString | undefined;
  /** The sections of jk_init.ini, or the operands of jk_cp, that asked for it. */
  sections: ByteString[];
  /** The file of the jail or host that needs it, and how ("needed", "interpreter", ...); undefined: asked for itself. */
  neededBy?: ByteString | undefined;
  reason?: ByteString | undefined;
  /** Permission bits. */
  mode: number;
  uid: number;
  gid: number;
  size?: number | undefined;
  /** For a file; in nanoseconds since the epoch. */
  mtime?: bigint | undefined;
  /** The text of a symbolic link. */
  target?: ByteString | undefined;
  major?: number | undefined;
  minor?: number | undefined;
  /** A hard link of its source. */
  hardLink?: boolean | undefined;
  /** It was in the jail, without a record, before anything that is recorded needed it: it is not ours to remove. */
  before?: boolean | undefined;
  /** Fields of a newer version, kept as they are. */
  unknown?: Record<string, unknown> | undefined;
}

/** A request to fill the jail; all requests in order are the recipe of the jail. */
export interface ManifestRequest {
  /** "jk_init", "jk_cp", ... */
  tool: ByteString;
  sections: ByteString[];
  operands: ByteString[];
  /** Options that change what is put into the jail, by their long names. */
  options: Record<string, ByteString | boolean | ByteString[]>;
  /** The last time it was requested, in seconds since the epoch. */
  time: number;
  /** The run was stopped, by a full disk or a signal, before all was in the jail. */
  unfinished?: boolean | undefined;
  unknown?: Record<string, unknown> | undefined;
}

/** The jail that a manifest describes: its path, and the device and inode of its directory. */
export interface JailIdentity {
  path: ByteString;
  devMajor: number;
  devMinor: number;
  ino: bigint;
}

export interface ManifestContent {
  jail: JailIdentity;
  requests: ManifestRequest[];
  entries: Map<ByteString, ManifestEntry>;
  /** The number of entries in the file, if it was read from one. */
  lines?: number;
  /** The directories of the host that are mounted at the same path of the jail; undefined if there are none. */
  live?: readonly ByteString[] | undefined;
  /** The same for directories with sockets of the host, such as /run/mysqld. */
  sockets?: readonly ByteString[] | undefined;
  /** What sections bring besides files, and the jail does without, as it is declared; undefined for nothing. */
  without?: readonly ByteString[] | undefined;
  /** Files that users had in the place of those that were asked for: they are not the jail's, and stay; undefined for none. */
  others?: readonly ByteString[] | undefined;
  /** The SHA-256 sum of the description that jailkit import makes it from; undefined for any other jail. */
  imported?: ByteString | undefined;
  unknown: Record<string, unknown>;
}

/** A manifest as it was read. */
export interface ReadManifest extends ManifestContent {
  /** Some of the entries that are no directories, about `most` from all parts; does not parse the others. */
  sample(most: number): ManifestEntry[];
}

/** A reader refuses a higher version. */
const MANIFEST_VERSION = 1;

/** Decodes jsonText: text in which U+DC80 to U+DCFF are single bytes, to a byte string. */
export function fromJsonText(text: string): ByteString {
  if (/^[\x00-\x7f]*$/.test(text)) return text;
  let out = "";
  for (const piece of text.match(/[\udc80-\udcff]|[^\udc80-\udcff]+/gu) ?? []) {
    const code = piece.charCodeAt(0);
    out += code >= 0xdc80 && code <= 0xdcff ? String.fromCharCode(code - 0xdc00) : utf8(piece);
  }
  return out;
}

/**
 * A text of jsonText with U+DC01 to U+DC1F and U+DC7F, which are no characters, in place of control characters: an earlier
 * version, which refuses these, reads the rest.
 */
export const withControls = (text: string): string =>
  text.replace(/[\x01-\x1f\x7f]/g, (one) => String.fromCharCode(0xdc00 + one.charCodeAt(0)));

/** The same text of jsonText. */
export const controlsOf = (text: string): string =>
  // Only of lone ones: half of a pair is part of a character.
  text.replace(/[\udc01-\udc1f\udc7f]/gu, (one) => String.fromCharCode(one.charCodeAt(0) - 0xdc00));

type Json = Record<string, unknown>;

function encode(value: unknown): unknown {
  if (typeof value === "string") return jsonText(value);
  if (typeof value === "bigint") return value.toString();
  if (Array.isArray(value)) return value.map(encode);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, encode(item)]));
}

function line(record: { unknown?: Json | undefined; mtime?: bigint | undefined }): string {
  const { unknown } = record;
  if (unknown === undefined) {
    // Bytes above 127 are rare, and converting them costs more than all the rest.
    const { mtime } = record;
    const text = JSON.stringify(mtime === undefined ? record : { ...record, mtime: mtime.toString() });
    if (/^[\x00-\x7f]*$/.test(text)) return text;
  }
  return JSON.stringify({ ...unknown, ...(encode({ ...record, unknown: undefined }) as Json) });
}

/** The bytes of a manifest file, with one line for each request and entry; parseManifest reads it. */
export function formatManifest(content: ManifestContent): Uint8Array {
  const { live, sockets, without, others, imported, unknown, jail } = content;
  const first = { ...unknown, version: MANIFEST_VERSION, jail: encode(jail) };
  // stringify leaves out what is undefined.
  const mounts = { live: encode(live), sockets: encode(sockets) };
  const lists = { ...mounts, without: encode(without), others: encode(others) };
  const head = JSON.stringify({ ...first, ...lists, imported });
  const requests = content.requests.map(line).join(",\n");
  const entries = [...content.entries.values()].map(line).join(",\n");
  const text = `${head.slice(0, -1)},\n"requests":[\n${requests}\n],\n"entries":[\n${entries}\n]}\n`;
  return new TextEncoder().encode(text);
}

export const isRecord = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const bytesOf = (value: unknown): ByteString | undefined =>
  typeof value === "string" ? fromJsonText(value) : undefined;
const listOf = (value: unknown): ByteString[] =>
  Array.isArray(value) ? value.flatMap((item) => bytesOf(item) ?? []) : [];
const numberOf = (value: unknown): number | undefined =>
  Number.isSafeInteger(value) ? (value as number) : undefined;
const bigintOf = (value: unknown): bigint | undefined =>
  typeof value === "string" && /^-?[0-9]{1,20}$/.test(value) ? BigInt(value) : undefined;

/** The fields of a record that are not known; undefined if there are none. */
function rest(record: Json, known: ReadonlySet<string>): Json | undefined {
  let left: Json | undefined;
  for (const key in record) if (!known.has(key)) left = { ...left, [key]: record[key] };
  return left;
}

const TYPES = ["file", "directory", "link", "char", "block"] as const;
const ENTRY_FIELDS = new Set(
  "path type source sections neededBy reason mode uid gid size mtime target major minor hardLink before".split(
    " ",
  ),
);
const REQUEST_FIELDS = new Set(["tool", "sections", "operands", "options", "time", "unfinished"]);
const MANIFEST_FIELDS = new Set(
  "version jail live sockets without others imported requests entries".split(" "),
);

const typeOf = (value: unknown) => (isRecord(value) ? TYPES.find((name) => name === value.type) : undefined);

function entryOf(value: unknown): ManifestEntry | undefined {
  if (!isRecord(value)) return undefined;
  const path = bytesOf(value.path);
  const type = typeOf(value);
  const mode = numberOf(value.mode);
  const uid = numberOf(value.uid);
  const gid = numberOf(value.gid);
  if (path === undefined || type === undefined) return undefined;
  if (mode === undefined || uid === undefined || gid === undefined) return undefined;
  return {
    path,
    type,
    source: bytesOf(value.source),
    sections: listOf(value.sections),
    neededBy: bytesOf(value.neededBy),
    reason: bytesOf(value.reason),
    mode,
    uid,
    gid,
    size: numberOf(value.size),
    mtime: bigintOf(value.mtime),
    target: bytesOf(value.target),
    major: numberOf(value.major),
    minor: numberOf(value.minor),
    hardLink: value.hardLink === true ? true : undefined,
    before: value.before === true ? true : undefined,
    unknown: rest(value, ENTRY_FIELDS),
  };
}

function optionsOf(value: unknown): ManifestRequest["options"] {
  if (!isRecord(value)) return {};
  const options: ManifestRequest["options"] = {};
  for (const [name, option] of Object.entries(value)) {
    if (typeof option === "boolean") options[name] = option;
    else if (Array.isArray(option)) options[name] = listOf(option);
    else if (typeof option === "string") options[name] = fromJsonText(option);
  }
  return options;
}

function requestOf(value: unknown): ManifestRequest | undefined {
  const tool = isRecord(value) ? bytesOf(value.tool) : undefined;
  if (!isRecord(value) || tool === undefined) return undefined;
  return {
    tool,
    sections: listOf(value.sections),
    operands: listOf(value.operands),
    options: optionsOf(value.options),
    time: numberOf(value.time) ?? 0,
    unfinished: value.unfinished === true ? true : undefined,
    unknown: rest(value, REQUEST_FIELDS),
  };
}

function identityOf(value: unknown): JailIdentity | undefined {
  if (!isRecord(value)) return undefined;
  const path = bytesOf(value.path);
  const ino = bigintOf(value.ino);
  if (path === undefined || ino === undefined) return undefined;
  return { path, ino, devMajor: numberOf(value.devMajor) ?? 0, devMinor: numberOf(value.devMinor) ?? 0 };
}

/** Reads a manifest file; undefined if it is not a manifest, or one of a newer version. */
export function parseManifest(bytes: Uint8Array): ReadManifest | undefined {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
  if (!isRecord(value) || numberOf(value.version) !== MANIFEST_VERSION) return undefined;
  const jail = identityOf(value.jail);
  const { requests, entries } = value;
  if (jail === undefined || !Array.isArray(requests) || !Array.isArray(entries)) return undefined;
  let parsed: Map<ByteString, ManifestEntry> | undefined;
  return {
    jail,
    requests: requests.map(requestOf).filter((request) => request !== undefined),
    // Reading them takes most of the time, and a list of thousands of jails only counts them.
    get entries() {
      parsed ??= new Map(entries.flatMap((item) => entryOf(item) ?? []).map((entry) => [entry.path, entry]));
      return parsed;
    },
    lines: entries.length,
    sample(most) {
      const files = entries.filter((item) => typeOf(item) !== undefined && typeOf(item) !== "directory");
      const step = Math.ceil(files.length / most);
      return files.flatMap((item, index) => (index % step === 0 && entryOf(item)) || []);
    },
    ...(Array.isArray(value.live) ? { live: listOf(value.live) } : {}),
    ...(Array.isArray(value.sockets) ? { sockets: listOf(value.sockets) } : {}),
    ...(Array.isArray(value.without) ? { without: listOf(value.without) } : {}),
    ...(Array.isArray(value.others) ? { others: listOf(value.others) } : {}),
    ...(typeof value.imported === "string" ? { imported: value.imported } : {}),
    unknown: rest(value, MANIFEST_FIELDS) ?? {},
  };
}

/** The version of a manifest that this jailkit does not read; undefined for other text. */
export function newerVersion(bytes: Uint8Array): number | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    const version = isRecord(value) ? numberOf(value.version) : undefined;
    return version !== undefined && version > MANIFEST_VERSION ? version : undefined;
  } catch {
    return undefined;
  }
}

/** The jail that a manifest describes, from the first bytes of the file; undefined if it is not a manifest. */
export function parseIdentity(head: Uint8Array): JailIdentity | undefined {
  const end = head.indexOf(10);
  if (end < 1) return undefined;
  try {
    // The first line has all fields before the lists (see formatManifest).
    const value: unknown = JSON.parse(`${new TextDecoder().decode(head.subarray(0, end - 1))}}`);
    return isRecord(value) ? identityOf(value.jail) : undefined;
  } catch {
    return undefined;
  }
}
