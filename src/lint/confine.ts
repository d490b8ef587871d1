import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { type Fix, findEntry, type IniSection, keyPlace } from "../config/model.ts";
import { type ConfineValues, confineProblem } from "../config/schemas/confine.ts";
import { reportSeparators } from "../config/separators.ts";
import type { Confinement } from "../confine/policy.ts";
import { type LintContext, lintPathForm, ownItems } from "./context.ts";

/**
 * The least of each limit with which a shell of this system starts, and a program from it, as measured on Linux 6 with glibc:
 * bash needs 4.0 MiB of address space, of that 0.3 MiB data, 12 KiB of stack and 5 files; rsync 11 MiB, 0.9 MiB and 60
 * KiB. And why, and what to write in its place.
 */
const LEAST: Readonly<Record<string, { least: number; shown: string; why: string; usual: string }>> = {
  nofile: {
    ...{ least: 16, shown: "16", usual: "nofile 256" },
    why: "programs cannot open the files that they need to start",
  },
  nproc: { least: 2, shown: "2", usual: "nproc 64", why: "programs can start no process and no thread" },
  as: { least: 4 << 20, shown: "4M", usual: "as 4G", why: "a shell cannot load its libraries" },
  data: { least: 512 << 10, shown: "512K", usual: "data 2G", why: "a shell gets no memory" },
  stack: {
    ...{ least: 64 << 10, shown: "64K", usual: "stack 8M" },
    why: "programs have no room for their arguments and environment",
  },
  fsize: { least: 1, shown: "1", usual: "fsize 2G", why: "nothing can be written to a file" },
};

/**
 * The keys of a section that say what the kernel lets a session do. `confinement`: what they amount to. `exists`: whether
 * an absolute path is where the session would see it. `exchangeable`: whether users can put something else there.
 */
export function lintConfine(
  section: IniSection,
  context: LintContext,
  values: ConfineValues & { allowSetuid?: boolean },
  confinement: Confinement,
  exists: (path: ByteString) => boolean,
  exchangeable: (path: ByteString) => boolean,
): void {
  lintPaths(section, context, values, exists);
  lintExchangeable(section, context, values, exchangeable);
  lintLimits(section, context, values);
  lintPorts(section, context, values);
  const { report } = context;
  const contradiction = confineProblem(section, values);
  if (contradiction !== undefined) {
    const { severity, code, message } = contradiction;
    report(contradiction, severity, code, message);
    return;
  }
  if (values.noNewPrivs === false && confinement.noNewPrivs) {
    const message = "'no_new_privs = 0' has no effect: what holds here by default needs no_new_privs";
    report(keyPlace(section, "no_new_privs"), "warning", "unused-key", message, { kind: "disable" });
  }
  lintRequire(section, context, confinement);
}

/** Paths of `read` and `write` that lead nowhere; those of a home are another one for each user. */
function lintPaths(
  section: IniSection,
  { report, world }: LintContext,
  values: ConfineValues,
  exists: (path: ByteString) => boolean,
): void {
  for (const key of ["read", "write"] as const) {
    // With an error in it, no path of the value counts.
    if (!Array.isArray(values[key])) continue;
    const items = ownItems(section, key);
    for (const item of items) {
      const { value } = item;
      if (!value.startsWith("/") || reportSeparators(item, exists, report) || exists(value)) continue;
      const meant = world.meantPath?.(value);
      // Without its only item the key would limit nothing.
      const fix: Fix =
        items.length === 1
          ? { kind: "value", text: meant?.path ?? "none" }
          : { kind: "item", old: value, with: meant?.path };
      const why = value.includes("*") ? "; a path has no wildcards" : (meant?.why ?? "");
      const message = `${quoted(value)} does not exist: '${key}' allows nothing there${why}`;
      report(item, "warning", "no-such-path", message, fix);
    }
  }
}

/**
 * Paths of `read`, without `write`, in places where users can put something else, which a session may therefore not read.
 * What is in a home is in such a place.
 */
function lintExchangeable(
  section: IniSection,
  { report }: LintContext,
  { read, write }: ConfineValues,
  exchangeable: (path: ByteString) => boolean,
): void {
  if (!Array.isArray(read) || (write !== undefined && write !== "all")) return;
  for (const item of ownItems(section, "read")) {
    const { value } = item;
    if (value === "~" || !exchangeable(value)) continue;
    const why = value.startsWith("~")
      ? "users can put something else into their homes"
      : "users can put something else there";
    const message = `${quoted(value)} is not read: ${why}, so that it counts only together with the key write`;
    // A line to type must allow nothing more than before.
    const fix: Fix = { kind: "in-section", section: section.name, lines: ["write = none"] };
    report(item, "warning", "not-read", message, fix);
  }
}

/** Directories of `execute` of a file without programs of its own: those that are not there. */
export function lintExecuteDirectories(
  section: IniSection,
  { report }: LintContext,
  execute: readonly ByteString[] | "any" | undefined,
  exists: (path: ByteString) => boolean,
): void {
  // With an error in it, no directory of the value counts.
  if (!Array.isArray(execute)) return;
  for (const item of ownItems(section, "execute")) {
    const { value } = item;
    if (!value.startsWith("/") || reportSeparators(item, exists, report)) continue;
    if (!lintPathForm(item, report) || exists(value)) continue;
    const message = `${quoted(value)} does not exist: nothing in it is executed`;
    report(item, "warning", "no-such-path", message, { kind: "item", old: value });
  }
}

function lintLimits(section: IniSection, { report }: LintContext, values: ConfineValues): void {
  const items = ownItems(section, "limits");
  for (const { name, value } of values.limits ?? []) {
    const row = LEAST[name];
    const item = items.find((one) => one.value.split(/[ \t]/, 1)[0] === name);
    if (row === undefined || item === undefined || value >= row.least) continue;
    // Where nothing may be written, it says the same.
    if (name === "fsize" && Array.isArray(values.write) && values.write.length === 0) continue;
    const message = `${quoted(item.value)} is too low: ${row.why}; the least is ${row.shown}`;
    report(item, "warning", "limit-too-low", message, { kind: "item", old: item.value, with: row.usual });
  }
}

/** Ports without sockets to use them. */
function lintPorts(section: IniSection, { report }: LintContext, { network }: ConfineValues): void {
  if (network === undefined || network === "all") return;
  for (const key of ["tcp_connect", "tcp_bind"]) {
    if ((findEntry(section, key)?.value ?? "") === "") continue;
    const message = `'${key}' has no effect: with network = ${network} there is no socket of TCP`;
    report(keyPlace(section, key), "warning", "unused-key", message, { kind: "disable" });
  }
}

/** A kernel on which `confine = require` refuses every session. */
function lintRequire(section: IniSection, { world, report }: LintContext, confinement: Confinement): void {
  const lacking = confinement.require ? world.lacking(confinement) : [];
  if (lacking.length === 0) return;
  const message = `'confine = require' refuses every session on this kernel: ${lacking.join(", ")}`;
  report(keyPlace(section, "confine"), "warning", "kernel-lacks", message, { kind: "value", text: "1" });
}
