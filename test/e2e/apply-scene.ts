import { REPORT_SCHEMAS } from "../../build/schemas.ts";
import { type Machine, openMachine, type RunResult } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

/** A key that ssh-keygen made. */
export const KEYS = [
  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEGGvDPaGZLNF4BLMyIR0NNBVcL9zNTjTe1dUcTcfFPO one",
  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA9qZBzgqsp6yFdaZZuxVPZ8nQnbIDL9cQ1PpDIYhzmB two",
] as const;

/** What `ssh-keygen -l` calls them. */
export const FINGERPRINTS = [
  "SHA256:7t/Xr141xSq3HpPs3hhkbERjl/AnPL9daJK79xZWWos",
  "SHA256:ZJ1n6jcHNJtvUj9sh2h14OowyOvhFGMSCxY/mX9D3zI",
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

/** The uid of an account of /etc/passwd; undefined for none. */
export function uidIn(m: Machine, name: string): number | undefined {
  const found = new RegExp(`^${name}:[^:]*:(\\d+):`, "m").exec(m.read("/etc/passwd"))?.[1];
  return found === undefined ? undefined : Number(found);
}

/** The lines of a run with --json: its changes, and the summary. */
export const linesOf = (m: Machine, ...options: readonly string[]) =>
  linesIn(m.run(["jailkit", "apply", "--json", ...options]));

/** The same of a run that has ended. */
export function linesIn({ stdout, stderr, status }: Pick<RunResult, "stdout" | "stderr" | "status">) {
  const lines = stdout
    .trimEnd()
    .split("\n")
    .map((line) => reportOf(REPORT_SCHEMAS["jailkit apply"], line));
  const changes = lines.flatMap((line) => ("change" in line ? [line.change] : []));
  const [summary] = lines.flatMap((line) => ("exitStatus" in line ? [line] : []));
  if (summary === undefined) throw new Error(`no summary: ${stdout}${stderr}`);
  // A panel may type it.
  const deleting = summary.problems.find(({ remedy }) =>
    /--user-files|--delete-homes|rm -r|userdel -/.test(remedy ?? ""),
  );
  if (deleting !== undefined) throw new Error(`a remedy that deletes homes: ${deleting.remedy}`);
  return { status, stderr, changes, summary };
}

/** What a run did, in the words of the plan. */
export const did = (m: Machine, ...options: readonly string[]) =>
  linesOf(m, ...options).changes.map(({ text, status }) => `${status} ${text}`);

/** Holds the lock of a jail until it is killed. */
export async function holdLock(m: Machine, jail: string) {
  m.mkdir("/var/lib/jailkit", { mode: 0o755 });
  m.mkdir("/var/lib/jailkit/jails", { mode: 0o700 });
  m.mkdir("/var/lib/jailkit/locks", { mode: 0o700 });
  const hash = new Bun.CryptoHasher("sha256").update(jail).digest("hex").slice(0, 32);
  m.write(`/var/lib/jailkit/locks/path-${hash}`, "", { mode: 0o600 });
  const lines = `open F, '<', '/var/lib/jailkit/locks/path-${hash}'; flock F, 2; $| = 1; print 'held'; sleep 600`;
  const holder = m.start(["perl", "-e", lines]);
  await holder.until(({ stdout }) => (stdout === "held" ? true : undefined));
  return holder;
}
