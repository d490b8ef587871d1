/** All remedies of one report, typed one after another as they are printed, heal all: none moves the lines that a later one names. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { fromBytes, toBytes } from "../../ffi/bytes.ts";
import { adviceText } from "../../src/cli/remedy.ts";
import { fixText, itemChanges, switchedOff, turnOf } from "../../src/config/fixes.ts";
import type { IniFile, Problem } from "../../src/config/model.ts";
import { scanIni } from "../../src/config/scan.ts";
import { kindOf } from "../../src/config/schemas/catalogue.ts";
import { byTurns } from "../../src/config/turns.ts";
import { declarationIn } from "../../src/declaration/read.ts";
import type { FileKind, LintWorld } from "../../src/lint/context.ts";
import { lint } from "../../src/lint/lint.ts";
import { withLines } from "../e2e/remedies-scene.ts";

const CONFIG = "/etc/jailkit";
const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOZQo3j7fvlQ4Fx7TpbzkdbtGwQkIOdSBvXzJPn1Qbjy";
const OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILdp94oAnvb+ufHoyHXb8aLddJm2h/FMX83n/z1CiKaH";
const RUNS = { numRuns: 100, seed: 1 };

interface Report {
  readonly remedies: readonly string[];
  readonly left: readonly string[];
}

const program: FileKind = { type: "file", executable: true };
const DIRECTORIES = ["/usr", "/usr/bin", "/bin", "/srv/jail", "/srv/jail/home", "/dev"];
const PROGRAMS = ["/usr/bin/id", "/usr/bin/ls", "/bin/cat", "/usr/bin/wc"];
const USERS = ["root", "u", "v", "daemon"];
const WORLD: LintWorld = {
  userExists: (name) => USERS.includes(name),
  otherName: () => undefined,
  groupExists: (name) => ["root", "staff"].includes(name),
  groupRefusal: () => undefined,
  isOutside: () => false,
  groupOutside: () => undefined,
  copyCommand: () => undefined,
  startFault: () => undefined,
  executableCommand: (path) => `chmod a+x ${path}`,
  jails: () => ["/srv/jail"],
  absence: () => undefined,
  jailsOf: () => ["/srv/jail"],
  userNames: () => USERS,
  groupNames: () => ["root", "staff"],
  lookUp(path) {
    if (PROGRAMS.includes(path)) return program;
    return DIRECTORIES.includes(path) ? { type: "directory", executable: true } : undefined;
  },
  exists: (path, jail = "") => path === "/" || [...DIRECTORIES, ...PROGRAMS].includes(`${jail}${path}`),
  exchangeable: () => false,
  lacking: () => [],
  files: { readLink: () => undefined, identity: () => undefined, look: () => undefined },
  readsPopt: () => false,
  ownStart: () => undefined,
  copyOfKnown: () => undefined,
  hookedRepositories: () => [],
  execution: () => ({ limitsServers: true, leftOut: [], blocked: () => undefined }),
  grantedBy: () => undefined,
};

function problemsOf(ini: IniFile, file: string): Problem[] {
  const kind = kindOf(file);
  if (kind === undefined) throw new Error(`no kind for ${file}`);
  return kind.sections === "declaration" ? declarationIn(ini).problems : lint(ini, kind, WORLD);
}

/** What a report of a file says, in the order in which it is printed. */
function reportOn(text: string, file: string): Report {
  const ini = scanIni(toBytes(text), file, kindOf(file)?.dialect ?? "c");
  const found = problemsOf(ini, file);
  const off = switchedOff(found.map((one) => [one, ini]));
  const sources = { ...ini, items: itemChanges(found), off };
  const problems = byTurns(found, (one) => turnOf(one, sources));
  const remedies = problems.map((one) => adviceText(fixText(one, sources) ?? ""));
  const left = problems.map(({ line, code, message }) => `${line} ${code} ${message}`);
  return { remedies: remedies.filter((one) => one !== ""), left };
}

/** The text after a remedy was typed, by sed(1) or in an editor. */
function typed(text: string, remedy: string): string {
  const [, number, lines = ""] = /^write in line (\d+) of [^\n]*:\n([\s\S]*)$/.exec(remedy) ?? [];
  if (number !== undefined)
    return text
      .split("\n")
      .with(Number(number) - 1, lines)
      .join("\n");
  const [, section, more = ""] = /^in section \[([^\]]+)\] of \S+ write:\n([\s\S]*)$/.exec(remedy) ?? [];
  if (section !== undefined) return withLines(text, section, more);
  const [, expression] = /^sed -i '([^']*)' \S+$/.exec(remedy) ?? [];
  if (expression === undefined) throw new Error(`cannot type ${remedy}`);
  return fromBytes(Bun.spawnSync(["sed", expression], { stdin: toBytes(text) }).stdout);
}

/** The text when nothing is left to type, and the problems that are left. */
function untilHealed(text: string, file: string, most: number): { text: string; left: readonly string[] } {
  for (let count = 0; count < 60; count++) {
    const { remedies, left } = reportOn(text, file);
    if (remedies.length === 0) return { text, left };
    text = remedies.slice(0, most).reduce(typed, text);
  }
  throw new Error(`no end of the remedies: ${text}`);
}

/** Typed in the order of a report, the remedies end in the same text as with a new report after each, without a problem. */
function expectHealed(text: string, file: string): void {
  const meant = untilHealed(text, file, 1);
  expect([text, untilHealed(text, file, Number.POSITIVE_INFINITY)]).toEqual([text, { ...meant, left: [] }]);
}

/** Lines of a key, each with a mistake of which it is known what was meant. */
const JAIL_KEYS: Readonly<Record<string, readonly string[]>> = {
  sections: [
    "sections = uidbasics",
    "sections = uidbasics # what all need",
    "sections =\n- uidbasics\n- basicshell",
    "sections = uidbasics\n  basicshell",
    "sections = uidbasics,\n# more\n  basicshell # the shell",
    "sections = uidbasics, uidbasics",
    "sections: uidbasics",
    "section = uidbasics",
    "secti:ns = uidbasics // some",
    "sections = uid\x01basics",
  ],
  files: [
    "files = /bin/ls, /bin/cat/ // two",
    "files = usr/bin/git, bin/ls, /bin/ls",
    "files = /bin/ls /bin/cat\n  /bin/cp",
    "files\xc2\xa0=\xc2\xa0/bin/ls",
    "\xef\xbb\xbffiles = /bin/ls, usr/bin/git",
  ],
  live: [
    "live = usr",
    "live = /usr\n// all programs",
    "live = /usr,\n  // more\n  /opt/tool/",
    "live = /ur ; x",
  ],
  proc: ["proc = ye", "proc = yes // needed", "proc: yes", "proc = yes\nproc = yes", "prc = yes # needed"],
  log_socket: ["log_socket = no ; never", "log_socket = n", "log_socket ="],
};
const USER_KEYS: Readonly<Record<string, readonly string[]>> = {
  jail: ["jail = /srv/t # there", "jail = srv/t", "jail = '/srv/t'", "jail: /srv/t", "jail = /srv//t"],
  shell: ["shell = bash", "shell = bin/bash", "shell = /bin/bash // as before", "shel = /bin/bash"],
  groups: [
    "groups = users users",
    "groups = users,\n  audio ; both",
    "groups = users;audio, audio",
    "group = users # x",
  ],
  uid: ["uid = 2001 # of the backup", "uid = 2001\nuid = 2001"],
  home: ["home = home/x", "home = /srv/t/home/x # outside", "hme = /home/x", "home: = /home/x"],
  comment: ["comment = one", "the second user", "comment = \x02one"],
  authorized_keys: [
    `authorized_keys = ${KEY.slice(0, 40)}\n${KEY.slice(40)}`,
    `authorized_keys =\n  ${KEY.slice(0, 30)}\n  ${KEY.slice(30, 50)}\n  ${KEY.slice(50)}\n  ${OTHER}`,
    `authorized_keys = ${KEY}\n  ${KEY} home`,
    `authorized_keys = ${KEY}\n${OTHER}`,
  ],
};
const headers = (kind: string, of: string) => [
  `[${kind} ${of}]`,
  `[${kind} ${of}] # about it`,
  `[${kind} ${of} # about it]`,
  `${kind} ${of}]`,
  `[${kind} ${of}`,
  `[${kind} ${of} ]`,
  `[${kind} '${of}']`,
  `[${kind}s ${of}]`,
  `  [${kind} ${of}] // about it`,
];

const LSH_KEYS: Readonly<Record<string, readonly string[]>> = {
  paths: ["paths = /usr/bin", "paths = /usr/bin/../bin, /usr/bin # usual", "paths = /bin, /usr/bin, /nosuch"],
  executables: [
    "executables = /usr/bin/ls # as it should be",
    "executables = /usr/bin/ls /usr/bin/nosuch",
    "executables = /usr/bin//ls, /usr/bin/ls, id",
    "executables = ls, /bin/cat, /usr/bin/id",
    "excutables = /usr/bin/ls",
    "executables = /usr/bin/ls\nexecutables = /usr/bin/id",
  ],
  umask: ["umask = 9", "umask = 022"],
  confine: ["confine = require\nno_new_privs = 0", "confine = yes"],
  environment: ["environment = A=1, LD_PRELOAD=/x", "environment = A=1; B=2 # two"],
  write: ["write = /nosuch", "write = none\n; no comment", "; [v]"],
  limits: ["limits = nprc 64", "limits = core 0, nofile 8, nproc 0 # few"],
};
const INIT_KEYS: Readonly<Record<string, readonly string[]>> = {
  paths: [
    "paths = /bin/cat\n  /usr/bin/ls, /usr/bin/id",
    "paths = /bin/./cat, /usr/bin/ls # both",
    "pahts = /bin/cat,\n  /usr/bin/ls # the second",
    "paths = /bin/cat /usr/bin/ls\nnonsense",
    "paths = /bin/cat\rneed_logsocket = 1",
  ],
  users: ["users = root daemn", "users = root, nosuch", "users = root # all"],
  devices: ["devices = /dev/nul, /dev/tty # two", "foobar = x,\n  y"],
  emptydirs: ["emptydirs = tmp, /var/tmp", "emptydirs ="],
};

const keysOf = (all: Readonly<Record<string, readonly string[]>>, needed: readonly string[]) =>
  fc
    .tuple(
      ...Object.entries(all).map(([key, lines]) => {
        const one = fc.constantFrom(...lines);
        return needed.includes(key) ? one : fc.option(one, { nil: undefined });
      }),
    )
    .map((lines) => lines.filter((line) => line !== undefined));

type Keys = Parameters<typeof keysOf>;

const sectionOf = (...[all, needed]: Keys) =>
  fc.record({
    header: fc.nat(8),
    lines: keysOf(all, needed),
    blanks: fc.array(fc.constantFrom("", "# a comment"), { maxLength: 2 }),
    // As old editors end lines.
    end: fc.constantFrom("\n", "\n", "\n", "\n", "\r"),
  });

const linesOf = ({ lines, blanks }: { lines: string[]; blanks: string[] }, title: string) =>
  [title, ...lines, ...blanks].map((line) => `${line}\n`).join("");

test("of a declaration", () => {
  const jail = sectionOf(JAIL_KEYS, ["sections"]).map(({ header, end, ...one }) => (index: number) => {
    // What is in such a line is not known before it is several.
    if (end === "\r") return `[jail /srv/t${index}]\rproc = 1\n`;
    return linesOf(one, headers("jail", `/srv/t${index}`)[header] ?? "");
  });
  const user = sectionOf(USER_KEYS, ["jail", "shell"]).map(({ header, end, ...one }) => (index: number) => {
    if (end === "\r") return `[user t${index}]\rjail = /srv/t\rshell = /bin/sh\n`;
    const text = linesOf(one, headers("user", `t${index}`)[header] ?? "");
    return text.replaceAll("home/x", `home/x${index}`).replaceAll("2001", `200${index}`);
  });
  const sections = fc.array(fc.oneof(jail, user), { minLength: 1, maxLength: 5 });
  // As editors of Windows end them.
  const text = fc
    .tuple(sections, fc.constantFrom("\n", "\n", "\r\n"))
    .map(([all, end]) => all.map((one, index) => one(index).replaceAll("\n", end)).join(""));
  fc.assert(
    fc.property(text, (one) => expectHealed(one, `${CONFIG}/jails.d/own.ini`)),
    RUNS,
  );
}, 120_000);

test.each<[string, ...Keys, string[]]>([
  [
    "jk_lsh",
    LSH_KEYS,
    ["paths", "executables"],
    ["[u]", "[v] of all", "[DEFAULT]", "[group staff] # theirs", "[uu]"],
  ],
  ["jk_init", INIT_KEYS, ["paths"], ["[a]", "[b] # the second", "[c]", "[d", "[e]"]],
])(
  "of %s.ini",
  (name, all, needed, titles) => {
    const sections = fc.array(sectionOf(all, needed), { minLength: 1, maxLength: titles.length });
    const text = sections.map((found) =>
      found.map((one, index) => linesOf(one, titles[index] ?? "")).join(""),
    );
    fc.assert(
      fc.property(text, (one) => expectHealed(one, `${CONFIG}/${name}.ini`)),
      RUNS,
    );
  },
  120_000,
);
