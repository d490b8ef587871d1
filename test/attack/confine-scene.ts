/** Sessions of each kind, in one jail, whose program is confine-probe.c: what it tries, and what came of that. */
import { join } from "node:path";
import { compiledC } from "../machine/helper.ts";
import { type Layout, type Machine, openMachine, type RunResult, type Syslog } from "../machine/machine.ts";

export const J = "/srv/j";
/** The program: the shell of jk_chrootsh, a program of jk_lsh in it, that of the others, and procmail. */
export const PROBE = "/usr/bin/probe";
export const UID = 4741;
/** The abstract name of a socket outside of the jail. */
export const NAME = "jailkit-confine-test";

export const KINDS = [
  "jk_chrootsh",
  "jk_lsh",
  "jk_uchroot",
  "jk_chrootlaunch",
  "jk_procmailwrapper",
] as const;
export type Kind = (typeof KINDS)[number];
export type Keys = Readonly<Record<string, string>>;

/** Keys with which a session is not confined. */
export const OFF: Readonly<Record<Kind, Keys>> = {
  jk_chrootsh: { confine: "0", execute: "any" },
  jk_lsh: { confine: "0", execute: "any" },
  jk_uchroot: { confine: "0", execute: "any" },
  jk_chrootlaunch: {},
  jk_procmailwrapper: { confine: "0", execute: "any" },
};

/** Words before a command for which the kernel has no Landlock: landlock_create_ruleset(2) fails with ENOSYS. */
export const WITHOUT_LANDLOCK = ["/usr/bin/refuse-call", "38", "444", "--"];

export interface ConfineScene {
  m: Machine;
  log: Syslog;
  probe: Uint8Array;
  /** The pid of a process of the same user that is in no jail. It serves NAME. */
  outside: string;
  /** Makes the files of the jail that attempts are about, as they are before each session; and no config file. */
  fill(): void;
  /** Runs the probe in a session that these keys confine. `lie`: root starts everything by these words. */
  session(kind: Kind, keys: Keys, attempts: readonly string[], lie?: readonly string[]): RunResult;
}

/** Keys as lines of a section. */
export const lines = (keys: Keys) =>
  Object.entries(keys)
    .map(([key, value]) => `${key} = ${value}\n`)
    .join("");

/** The options of jk_chrootlaunch for keys. */
const options = (keys: Keys) =>
  Object.entries(keys).map(([key, value]) => `--${key.replaceAll("_", "-")}=${value}`);

/** Opens a machine with an account, and the processes that are outside of the jail. */
export async function openConfineScene(layout?: Layout): Promise<ConfineScene> {
  const only = ["jk_chrootlaunch", "jk_chrootsh", "jk_lsh", "jk_procmailwrapper", "jk_uchroot"];
  const m = await openMachine({ under: "ours", only, ...(layout && { layout }) });
  const log = await m.startSyslog();
  m.addUser("u", { uid: UID, shell: "/usr/sbin/jk_chrootsh" });
  m.write(
    "/etc/passwd",
    m.read("/etc/passwd").replace(/^u:.*$/m, `u:x:${UID}:${UID}::${J}/./home/u:/usr/sbin/jk_chrootsh`),
  );
  m.write("/etc/group", `${m.read("/etc/group").replace(/^u:.*\n/m, "")}u:x:${UID}:\n`);
  const compiled = (name: string) => Bun.file(compiledC(join(import.meta.dir, name), ["-static"])).bytes();
  const probe = await compiled("confine-probe.c");
  m.write("/usr/bin/refuse-call", await compiled("refuse-call.c"), { mode: 0o755 });
  m.write("/usr/bin/old-kernel", await compiled("old-kernel.c"), { mode: 0o755 });
  m.write(PROBE, probe, { mode: 0o755 });
  m.must(["ip", "link", "set", "lo", "up"]);
  const server = m.start([PROBE, "serve", NAME], { user: "u" });
  const outside = await server.until(({ stdout }) => /^(\d+)\n/.exec(stdout)?.[1]);
  return {
    m,
    log,
    probe,
    outside,
    fill: () => fill(m, probe),
    session: (kind, keys, attempts, lie = []) => session(m, kind, keys, attempts, lie),
  };
}

function fill(m: Machine, probe: Uint8Array): void {
  for (const name of ["home", "data", "srv", "tmp", "etc"]) m.remove(`${J}/${name}`);
  for (const name of ["etc/jailkit", "home", "data", "srv"]) m.mkdir(`${J}/${name}`);
  m.mkdir(`${J}/tmp`, { mode: 0o1777 });
  const own = { owner: [UID, UID] as [number, number] };
  for (const name of ["home/u", "home/u/in", "home/u/out", "srv/u"]) m.mkdir(`${J}/${name}`, own);
  for (const name of ["home/u/file", "home/u/in/file", "home/u/out/file", "srv/u/file"])
    m.write(`${J}/${name}`, "text", own);
  m.write(`${J}/data/file`, "text", { mode: 0o666 });
  m.write(`${J}/etc/group`, `u:x:${UID}:\n`);
  m.write(`${J}/etc/secret`, "text");
  for (const place of ["/home/u/program", "/srv/program"]) m.write(`${J}${place}`, probe, { mode: 0o755 });
  m.remove("/etc/jailkit");
  m.mkdir("/etc/jailkit");
}

function session(
  m: Machine,
  kind: Kind,
  keys: Keys,
  attempts: readonly string[],
  lie: readonly string[],
): RunResult {
  // Root starts the user's programs, which then keep the capabilities of their files.
  const become = ["/usr/bin/setpriv", `--reuid=${UID}`, `--regid=${UID}`, "--init-groups", "--"];
  const env = { USER: "u" };
  const run = (words: readonly string[]) =>
    lie.length > 0 ? m.run([...lie, ...become, ...words], { env }) : m.run(words, { user: "u", env });
  const shell = kind === "jk_lsh" ? "/usr/sbin/jk_lsh" : PROBE;
  m.write(`${J}/etc/passwd`, `u:x:${UID}:${UID}::/home/u:${shell}\n`);
  if (kind === "jk_chrootsh" || kind === "jk_procmailwrapper") {
    m.write("/etc/jailkit/jk_chrootsh.ini", `[u]\n${lines(keys)}`);
    return run([`/usr/sbin/${kind}`, ...attempts]);
  }
  if (kind === "jk_lsh") {
    m.write(`${J}/etc/jailkit/jk_lsh.ini`, `[u]\nexecutables = ${PROBE}\n${lines(keys)}`);
    return run(["/usr/sbin/jk_chrootsh", "-c", [PROBE, ...attempts].join(" ")]);
  }
  if (kind === "jk_uchroot") {
    m.write("/etc/jailkit/jk_uchroot.ini", `[u]\nallowed_jails = ${J}\n${lines(keys)}`);
    return run(["/usr/bin/jk_uchroot", "-j", J, "-x", PROBE, "--", ...attempts]);
  }
  const program = ["-u", "u", "-x", PROBE];
  return m.run([
    ...lie,
    "/usr/sbin/jk_chrootlaunch",
    "-j",
    J,
    ...program,
    ...options(keys),
    "--",
    ...attempts,
  ]);
}

/** What came of each attempt. */
export const outcomes = ({ stdout }: RunResult): Record<string, string> =>
  Object.fromEntries(
    stdout.split("\n").flatMap((line) => {
      const [attempt, result] = line.split(" ");
      return attempt?.includes(":") && result !== undefined ? [[attempt, result]] : [];
    }),
  );
