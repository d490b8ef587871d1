/** What a dry run says is compared with what the real run says and does, in the same situation. */
import type { ByteString } from "../../ffi/bytes.ts";
import type { Machine, RunResult } from "../machine/machine.ts";

/** What a scene may change of the host: it is put back before the next. */
const HOST = [
  ...["cron.allow", "at.allow", "at.deny", "cron.deny", "fstab", "login.defs", "nsswitch.conf", "shells"],
  ...["passwd", "group", "shadow", "gshadow", "subuid", "subgid"],
].map((name) => `/etc/${name}`);
const TREES = ["/etc/ssh", "/etc/jailkit", "/etc/pam.d", "/etc/default"];
const SAVED = "/root/saved";

export const SSHD = "/etc/ssh/sshd_config";

/** An sshd that answers sshd -T, and of whose settings nothing is to be said. */
export function setUpSshd(m: Machine): void {
  m.mkdir("/run/sshd");
  m.must(["ssh-keygen", "-A"]);
  m.write(SSHD, "UsePAM yes\nDisableForwarding yes\nSubsystem sftp /usr/lib/openssh/sftp-server\n");
}

/** A difference that both should have: a group of root's that an option names. */
export const OMIT = {
  why: "before there is an account, the option is left out; afterwards the account is taken out of the group",
  dry: /can become root on most machines; unless you want that, omit that$/m,
};

/** Keeps the files of the host that a scene may change, for putBack. */
export function keepHost(m: Machine): void {
  m.mkdir(SAVED);
  m.must(["cp", "-a", "--parents", ...[...HOST, ...TREES].filter((path) => m.exists(path)), SAVED]);
}

/** Puts back what keepHost kept. */
export function putBack(m: Machine): void {
  m.must(["rm", "-rf", ...HOST, ...TREES]);
  m.must(["cp", "-a", `${SAVED}/.`, "/"]);
}

/**
 * Everything below the paths, with owner, mode, size, inode, link count and times, but without the time of the last
 * reading; and what is mounted.
 */
export function listing(m: Machine, paths: readonly ByteString[]): ByteString {
  const all = paths.filter((path) => m.exists(path));
  const { stdout } = m.must(["find", ...all, "-printf", "%p %y %i %n %m %U:%G %s %T@ %C@ %l\\n"]);
  return `${stdout.split("\n").sort().join("\n")}\n${m.must(["cat", "/proc/self/mountinfo"]).stdout}`;
}

/** What no dry run of any tool changes. */
export const ALWAYS: readonly ByteString[] = ["/etc", "/home", "/var/lib/jailkit", "/var/mail", "/var/spool"];

/** Fills in a text: the words J, N, H and S. */
export const filler = (words: Readonly<Record<"J" | "N" | "H" | "S", ByteString>>) => (text: ByteString) =>
  text.replaceAll(/\b[JNHS]\b/g, (letter) => words[letter as keyof typeof words]);

/** What a command said, with the words of a dry run as those of the real one. */
export interface Said {
  status: RunResult["status"];
  stderr: ByteString;
  report: unknown;
}

/** A report of a tool without what says that it was a dry run; `would` may change more. */
export function saidBy(
  { status, stdout, stderr }: RunResult,
  told: (report: Record<string, unknown>) => unknown,
): Said {
  const printed = stdout === "" ? undefined : (JSON.parse(stdout) as Record<string, unknown>);
  // An error that ends a command has an object of its own.
  const report = printed !== undefined && "dryRun" in printed ? printed : undefined;
  if (report !== undefined) delete report.dryRun;
  return { status, stderr, report: report && told(report) };
}

/** "would add", "would have added" and "added" say the same. */
export const done = (line: string): string =>
  line.replace(/^would have /, "").replace(/^would (add|allow|give|replace)\b/, (_all, verb: string) => {
    const past: Readonly<Record<string, string>> = { give: "gave", replace: "replaced" };
    return past[verb] ?? `${verb}ed`;
  });
