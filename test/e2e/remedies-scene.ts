import { CONFIG_DIRECTORY } from "../../src/config/load.ts";
import { explainReportSchema, type StepReport } from "../../src/explain/report-schema.ts";
import { configReportSchema } from "../../src/lint/report-schema.ts";
import { type Machine, openMachine, type RunResult, type Syslog } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { check, summary } from "./check-helper.ts";

/** The jail that is broken in one way at a time, and who lives in it or enters it. */
export const JAIL = "/srv/jails/one";
/** With a shell in the jail. */
export const SHELL_USER = "anna";
/** With the limited shell. */
export const LIMITED_USER = "lima";
/** Not jailed: jk_uchroot lets this one in. */
export const GUEST = "guest";
/** What lima may run. */
export const COMMAND = "/usr/bin/id";

const SECTIONS = ["uidbasics", "basicshell", "procmail"];
const SYSTEM = /^(?:bin|dev|etc|lib[^/]*|opt|sbin|usr)(?:\/|$)/;

/** All findings about the machine, from every program that reports some: a line each. */
export type Health = string[];

/** A machine with a jail in which all works, and ways to look at it. */
export interface Scene {
  m: Machine;
  log: Syslog;
  explain(...words: string[]): StepReport[];
  health(): Health;
  /** Types a remedy as an administrator would, at a login shell of root's; lines for a file go into that file. */
  type(remedy: string): RunResult;
  /** Puts the machine back as it was, for the next case, where a remedy did not. */
  restore(): void;
  /** The names in the system part of the jail; the login shells on the host and in the jail. */
  kept(): { names: string[]; shells: string[] };
}

/** Opens the scene; it is closed by `m.close()`. */
export async function openRemedies(): Promise<Scene> {
  const m = await openMachine({ under: "ours" });
  const log = await m.startSyslog();
  m.remove("/var/lib/jailkit");
  m.mkdir("/srv/jails");
  m.addUser(SHELL_USER, { uid: 5001, groups: ["games"], home: `/home/${SHELL_USER}`, createHome: true });
  m.addUser(LIMITED_USER, { uid: 5002, home: `/home/${LIMITED_USER}`, createHome: true });
  m.addUser(GUEST, { uid: 5003, groups: ["games"], home: `/home/${GUEST}`, createHome: true });
  m.must(["jk_init", "-j", JAIL, ...SECTIONS]);
  m.must(["jk_cp", "-j", JAIL, COMMAND]);
  for (const name of ["tmp", "var/mail"]) m.mkdir(`${JAIL}/${name}`, { mode: 0o1777 });
  m.must(["jk_jailuser", "-n", "-m", "-j", JAIL, "-s", "/bin/bash", SHELL_USER]);
  m.must(["jk_jailuser", "-n", "-m", "-j", JAIL, LIMITED_USER]);
  m.must(["jk_jailuser", "--jail-side-only", "-j", JAIL, GUEST]);
  m.write(
    `${JAIL}${CONFIG_DIRECTORY}/jk_lsh.ini`,
    `[${LIMITED_USER}]\npaths = /usr/bin\nexecutables = ${COMMAND}\n`,
  );
  m.write(`${CONFIG_DIRECTORY}/jk_uchroot.ini`, `[${GUEST}]\nallowed_jails = ${JAIL}\n`);

  const explain: Scene["explain"] = (...words) => {
    const { stdout, stderr } = m.run(["jailkit", "explain", "--json", ...words]);
    if (stdout === "") throw new Error(stderr);
    return reportOf(explainReportSchema, stdout).steps;
  };
  const health: Scene["health"] = () => {
    const steps = QUESTIONS.flatMap((words) => explain(...words).map((step) => ({ ...step, about: words })));
    const bad = steps.filter(
      ({ outcome, stage }) => outcome !== "passed" && outcome !== "skipped" && stage !== "sshd",
    );
    const checked = check(m, JAIL);
    const config = reportOf(configReportSchema, m.run(["jailkit", "config", "check", "--json"]).stdout);
    return [
      ...bad.map(
        ({ about, stage, name, outcome }) => `explain ${about.join(" ")}: ${stage}/${name} ${outcome}`,
      ),
      ...summary(checked.found).map((line) => `jk_check: ${line}`),
      ...checked.jails.flatMap(({ problems }) => problems.map(({ message }) => `jk_check: ${message}`)),
      ...config.findings.map(({ file, line, code }) => `config: ${file}:${line} ${code}`),
      ...config.failures.map((message) => `config: ${message}`),
    ];
  };
  for (const path of KEPT) m.must(["rsync", ...RSYNC, `${path}/`, `/root/kept${path}/`]);
  const restore = () => {
    for (const path of KEPT) m.must(["rsync", ...RSYNC, `/root/kept${path}/`, `${path}/`]);
    m.must(["sh", "-c", "rm -f /srv/link"]);
    for (const program of PRIVILEGED) {
      m.chmod(program, 0o755);
      m.must(["setcap", "cap_sys_chroot+ep", program]);
    }
  };
  return { m, log, explain, health, restore, type: (remedy) => typeRemedy(m, remedy), kept: () => kept(m) };
}

const PRIVILEGED = ["/usr/sbin/jk_chrootsh", "/usr/bin/jk_uchroot", "/usr/sbin/jk_procmailwrapper"];
const KEPT = ["/etc", "/srv/jails", "/var/lib/jailkit"];
const RSYNC = ["-aHAX", "--checksum", "--delete", "--mkpath"];

/** What is asked of `jailkit explain`. */
export const QUESTIONS: readonly string[][] = [
  [SHELL_USER],
  [LIMITED_USER, "--", COMMAND],
  ["-j", JAIL, GUEST, "--", "/bin/bash"],
  ["--mail", SHELL_USER],
];

function kept(m: Machine): { names: string[]; shells: string[] } {
  const { stdout } = m.must(["find", JAIL, "-printf", "%P\\n"]);
  const names = stdout.split("\n").filter((name) => SYSTEM.test(name));
  const shells = ["/etc/passwd", `${JAIL}/etc/passwd`].flatMap((file) =>
    [SHELL_USER, LIMITED_USER, GUEST].map((name) => {
      const line = m.exists(file) ? (new RegExp(`^${name}:.*$`, "m").exec(m.read(file))?.[0] ?? "") : "";
      return `${file} ${name} ${line.slice(line.lastIndexOf(":") + 1)}`;
    }),
  );
  return { names, shells };
}

/** How a remedy begins that is no command but lines for a file. */
const APPEND = /^add these lines to (\S+):\n/;
const IN_SECTION = /^in section \[([^\]]+)\] of (\S+) write:\n/;
const FIRST = /^(.*); then (?=in section )/;
/** A copy is to be read before it takes the place of a file that others could write: with the rights of the user, in words. */
const COPY = /^((?:jk_cp|setsid) .*?); read .*?, for others could write .*?; then: /;
/** The same at the end of a message. */
const COPY_IN_WORDS = /[;:] ((?:jk_cp|setsid) .*; read .*?, for others could write .*?; then: .*)$/s;
/** What is to be done before: whether what others wrote is to stay is for the administrator to say. */
export const BEFORE =
  /^(?:read|install) .* (?:first|anew|again), (?:for others|because users other than root) could write it; then: /;
const IN_LINE = /^write in line (\d+) of (\S+):\n/;
const FILE = /^write into (\S+):\n/;

/** What is printed for a file that others could write. */
export const copyAnew = (file: string): string =>
  `install -o root -g root -m 0644 ${file} ${file}.new && cat -v ${file}.new && mv -iT ${file}.new ${file} || ! rm -f ${file}.new`;

/** What root types who follows a report: its remedy, and the command at the end of its message. */
export function commandsOf({ message, remedy }: { message: string; remedy?: string | null }): string[] {
  const [, last] =
    COPY_IN_WORDS.exec(message) ??
    /^.*(?:; then|, after|; or instead of the remedy): (.*)$/s.exec(message) ??
    [];
  return [remedy, last].filter((command) => command !== undefined && command !== null);
}

/** Types a remedy: a command at a login shell, or lines with an editor. Of several forms, all that it has. */
export function typeRemedy(m: Machine, remedy: string): RunResult {
  const lines = (head: RegExpExecArray) => `${remedy.slice(head[0].length).trimEnd()}\n`;
  const nothing = { status: 0, signal: undefined, stdout: "", stderr: "", stdoutBytes: Buffer.alloc(0) };
  const before = BEFORE.exec(remedy);
  if (before !== null) return typeRemedy(m, remedy.slice(before[0].length));
  const append = APPEND.exec(remedy);
  if (append?.[1] !== undefined) {
    const file = append[1];
    m.write(file, `${m.exists(file) ? m.read(file).replace(/\n*$/, "\n") : ""}${lines(append)}`);
    return nothing;
  }
  const whole = FILE.exec(remedy);
  if (whole?.[1] !== undefined) {
    m.write(whole[1], lines(whole));
    return nothing;
  }
  const first = COPY.exec(remedy) ?? FIRST.exec(remedy);
  if (first?.[1] !== undefined) {
    const done = typeRemedy(m, first[1]);
    return done.status === 0 ? typeRemedy(m, remedy.slice(first[0].length)) : done;
  }
  const section = IN_SECTION.exec(remedy);
  if (section?.[1] !== undefined && section[2] !== undefined) {
    m.write(section[2], withLines(m.read(section[2]), section[1], lines(section)));
    return nothing;
  }
  const line = IN_LINE.exec(remedy);
  if (line?.[1] !== undefined && line[2] !== undefined) {
    const text = m.read(line[2]).split("\n");
    text.splice(Number(line[1]) - 1, 1, lines(line).trimEnd());
    m.write(line[2], text.join("\n"));
    return nothing;
  }
  // The shell starts without what this host's root has in ~/.profile, which can take longer than the remedy.
  const answer = remedy.includes(" && mv -iT ") ? "y\n" : "";
  const stdin = `HOME=/root\n${remedy}\n${answer}`;
  const result = m.run(["bash", "-l"], { stdin, env: { HOME: "/", TERM: "dumb" } });
  // The question.
  return answer === "" ? result : { ...result, stderr: result.stderr.replace(/^mv: overwrite '.*'\? /m, "") };
}

/** The text of a config file with `lines` in a section, in the place of lines with the same keys. */
export function withLines(text: string, section: string, lines: string): string {
  const keyOf = (line: string) => line.split("=", 1)[0]?.trim();
  const keys = lines.trimEnd().split("\n").map(keyOf);
  const out: string[] = [];
  let inside = false;
  for (const line of text.split("\n")) {
    const header = /^\s*\[([^\]]*)\]/.exec(line)?.[1];
    if (header === undefined && inside && line.includes("=") && keys.includes(keyOf(line))) continue;
    out.push(line);
    if (header === undefined) continue;
    inside = header === section;
    if (inside) out.push(...lines.trimEnd().split("\n"));
  }
  return out.join("\n");
}
