import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { type Fix, findEntry, type IniSection, keyPlace } from "../config/model.ts";
import { type ConfineValues, confineProblem } from "../config/schemas/confine.ts";
import type { Confinement } from "../confine/policy.ts";
import { type LintContext, lintSeparators, ownItems } from "./context.ts";

/** A limit below which no session gets far, why, and what to write in its place. */
const LEAST: Readonly<Record<string, { least: number; why: string; usual: string }>> = {
  nofile: { least: 16, why: "programs cannot open the files that they need to start", usual: "nofile 256" },
  nproc: { least: 1, why: "programs can start no process and no thread", usual: "nproc 64" },
};

/**
 * The keys of a section that say what the kernel lets a session do. `confinement`: what they amount to. `exists`: whether
 * an absolute path is where the session would see it.
 */
export function lintConfine(
  section: IniSection,
  context: LintContext,
  values: ConfineValues & { allowSetuid?: boolean },
  confinement: Confinement,
  exists: (path: ByteString) => boolean,
): void {
  lintPaths(section, context, values, exists);
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
  { report }: LintContext,
  values: ConfineValues,
  exists: (path: ByteString) => boolean,
): void {
  for (const key of ["read", "write"] as const) {
    // With an error in it, no path of the value counts.
    if (!Array.isArray(values[key])) continue;
    const items = ownItems(section, key);
    for (const item of items) {
      const { value } = item;
      if (!value.startsWith("/") || lintSeparators(item, exists, report) || exists(value)) continue;
      // Without its only item the key would limit nothing.
      const fix: Fix = items.length === 1 ? { kind: "value", text: "none" } : { kind: "item", old: value };
      const why = value.includes("*") ? "; a path has no wildcards" : "";
      const message = `${quoted(value)} does not exist: '${key}' allows nothing there${why}`;
      report(item, "warning", "no-such-path", message, fix);
    }
  }
}

function lintLimits(section: IniSection, { report }: LintContext, values: ConfineValues): void {
  const items = ownItems(section, "limits");
  for (const { name, value } of values.limits ?? []) {
    const row = LEAST[name];
    const item = items.find((one) => one.value.split(/[ \t]/, 1)[0] === name);
    if (row === undefined || item === undefined || value >= row.least) continue;
    const message = `${quoted(item.value)} is too low: ${row.why}; the least is ${row.least}`;
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
