import type { ByteString } from "../../../ffi/bytes.ts";
import type { Attribution, Entry, Reason } from "../entry.ts";
import type { Companions } from "../plan/companion.ts";
import { type Draft, emptyDraft } from "../plan/draft.ts";

/** Fields that many entries have in common. */
type Kind = Pick<Entry, "type" | "mode" | "uid" | "gid" | "stripped" | "keeps">;

/** One reason: the section, and then what the kind of reason has; entries are given by their index. */
type StoredReason = readonly [
  section: ByteString,
  kind: Reason["kind"],
  first: number | ByteString,
  second?: unknown,
];

/** A plan as JSON: a list for each field of its entries, and once each what many of them share. */
interface StoredPlan {
  readonly path: readonly ByteString[];
  /** 0: the same as the path. null: none. */
  readonly source: readonly (ByteString | 0 | null)[];
  readonly size: readonly number[];
  readonly mtime: readonly (string | 0)[];
  readonly kind: readonly number[];
  readonly kinds: readonly Kind[];
  readonly because: readonly number[];
  readonly reasons: readonly (readonly StoredReason[])[];
  readonly targets: readonly (readonly [number, ByteString])[];
  readonly devices: readonly (readonly [number, NonNullable<Entry["device"]>])[];
  readonly bareScripts: readonly (readonly [script: number, interpreter: ByteString, section: ByteString])[];
  readonly warnings: readonly string[];
  readonly notes: readonly string[];
  readonly satisfied: readonly ByteString[];
  readonly trees: readonly ByteString[];
}

/** Numbers for values, the same one for equal values. */
class Table<T> {
  readonly values: T[] = [];
  readonly #numbers = new Map<string, number>();

  numberOf(value: T): number {
    return this.#numbers.getOrInsertComputed(JSON.stringify(value), () => this.values.push(value) - 1);
  }
}

/** The JSON text of a plan for an empty jail, without problems. */
export function storePlan(plan: Draft): string {
  const { entries, warnings, notes, satisfied } = plan;
  const indexes = new Map(entries.map((entry, index) => [entry, index]));
  const kinds = new Table<Kind>();
  const reasons = new Table<readonly StoredReason[]>();
  const store = ({ section, reason }: Attribution): StoredReason => {
    if (reason.kind === "asked") return [section, reason.kind, reason.pattern, reason.matched ?? false];
    if (reason.kind === "parent") return [section, reason.kind, reason.of];
    const from = indexes.get(reason.from) ?? -1;
    return "name" in reason ? [section, reason.kind, from, reason.name] : [section, reason.kind, from];
  };
  const stored: StoredPlan = {
    path: entries.map(({ path }) => path),
    source: entries.map(({ path, source }) => (source === path ? 0 : (source ?? null))),
    size: entries.map(({ size }) => size),
    mtime: entries.map(({ mtime }) => mtime?.toString() ?? 0),
    kind: entries.map(({ type, mode, uid, gid, stripped, keeps }) =>
      kinds.numberOf({ type, mode, uid, gid, stripped, keeps }),
    ),
    kinds: kinds.values,
    because: entries.map(({ because }) => reasons.numberOf(because.map(store))),
    reasons: reasons.values,
    targets: entries.flatMap(({ target }, index) => (target === undefined ? [] : [[index, target] as const])),
    devices: entries.flatMap(({ device }, index) => (device === undefined ? [] : [[index, device] as const])),
    // The interpreters of the others come along.
    bareScripts: plan.bareScripts
      .filter(({ interpreter }) => plan.seen.get(interpreter) === undefined)
      .map(({ script, interpreter, companion }) => [
        indexes.get(script) ?? -1,
        interpreter,
        companion.section,
      ]),
    warnings,
    notes,
    satisfied: [...satisfied],
    trees: [...plan.trees],
  };
  return JSON.stringify(stored);
}

/** The plan of a text of storePlan. */
export function restorePlan(text: string, companions: Companions): Draft {
  const stored = JSON.parse(text) as StoredPlan;
  const { source, size, mtime, kind, kinds, because, reasons } = stored;
  const targets = new Map(stored.targets);
  const devices = new Map(stored.devices);
  const entries: Entry[] = [];
  const none: readonly Attribution[] = [];
  for (const [index, path] of stored.path.entries()) {
    const { type, mode, uid, gid, stripped, keeps } = kinds[kind[index] ?? 0] as Kind;
    const from = source[index];
    const time = mtime[index];
    entries.push({
      path,
      source: from === 0 ? path : (from ?? undefined),
      type,
      action: "create",
      mode,
      uid,
      gid,
      stripped,
      keeps,
      size: size[index] ?? 0,
      mtime: time ? BigInt(time) : undefined,
      because: none,
      ...(type === "symlink" ? { target: targets.get(index) ?? "" } : {}),
      ...(type === "device" ? { device: devices.get(index) } : {}),
    });
  }
  const at = (index: unknown): Entry => entries[index as number] as Entry;
  const attributions = reasons.map((list) =>
    list.map(([section, kind, first, second]) => ({ section, reason: reasonOf(at, kind, first, second) })),
  );
  for (const [index, entry] of entries.entries()) entry.because = attributions[because[index] ?? 0] ?? none;
  const bareScripts = stored.bareScripts.map(([script, interpreter, section]) => {
    const paths = () => companions.ofInterpreter(interpreter)?.paths() ?? [];
    return { script: at(script), interpreter, companion: { section, paths } };
  });
  const { warnings, notes } = stored;
  const messages = { warnings: [...warnings], notes: [...notes] };
  const sets = { satisfied: new Set(stored.satisfied), trees: new Set(stored.trees) };
  return { ...emptyDraft(), ...messages, ...sets, entries, bareScripts };
}

function reasonOf(
  at: (index: unknown) => Entry,
  kind: Reason["kind"],
  first: unknown,
  second: unknown,
): Reason {
  if (kind === "asked") return { kind, pattern: first as ByteString, matched: second === true };
  if (kind === "parent") return { kind, of: first as ByteString };
  if (kind === "tree" || kind === "link") return { kind, from: at(first) };
  return { kind, from: at(first), name: second as ByteString };
}
