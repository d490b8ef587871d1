import { REPORT_SCHEMAS } from "../../build/schemas.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

/** A key that ssh-keygen made. */
export const KEYS = [
  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEGGvDPaGZLNF4BLMyIR0NNBVcL9zNTjTe1dUcTcfFPO one",
  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA9qZBzgqsp6yFdaZZuxVPZ8nQnbIDL9cQ1PpDIYhzmB two",
] as const;

/** A machine for `jailkit apply`, which declares nothing yet. */
export async function openApplyMachine(): Promise<Machine> {
  const m = await openMachine({ under: "ours" });
  m.remove("/var/lib/jailkit");
  m.must(["groupadd", "-f", "-r", "jailed"]);
  m.must(["groupadd", "team"]);
  m.mkdir("/etc/jailkit/jails.d", { mode: 0o755 });
  return m;
}

/** The lines of a run with --json: its changes, and the summary. */
export function linesOf(m: Machine, ...options: readonly string[]) {
  const { stdout, stderr, status } = m.run(["jailkit", "apply", "--json", ...options]);
  const lines = stdout
    .trimEnd()
    .split("\n")
    .map((line) => reportOf(REPORT_SCHEMAS["jailkit apply"], line));
  const changes = lines.flatMap((line) => ("change" in line ? [line.change] : []));
  const [summary] = lines.flatMap((line) => ("exitStatus" in line ? [line] : []));
  if (summary === undefined) throw new Error(`no summary: ${stdout}${stderr}`);
  return { status, stderr, changes, summary };
}

/** What a run did, in the words of the plan. */
export const did = (m: Machine, ...options: readonly string[]) =>
  linesOf(m, ...options).changes.map(({ text, status }) => `${status} ${text}`);
